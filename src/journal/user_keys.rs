//! A key for each user that the prediction log names, so that to destroy one makes all lines of its user
//! nobody's.
//!
//! ```text
//! 0     "sg-users", format (4), nothing (4), the key of handles (32), nothing (16)
//! 64    for each user: a handle (16), a key (32); all 0 where it was destroyed
//! ```
//!
//! A handle is the start of the HMAC-SHA-256 of the user's id, a user's name in the log the one of the id
//! with the user's own random key. A key that is destroyed is overwritten in its place, and on the disk
//! before that is said. A process that takes over uses the file beside the one that ends: each change has
//! the file's lock, and sees what the other has added.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, ensure};
use aws_lc_rs::hmac;

const MAGIC: [u8; 8] = *b"sg-users";
const FORMAT: u8 = 1;
const HEADER_BYTES: usize = 64;
const HANDLE_BYTES: usize = 16;
const KEY_BYTES: usize = 32;
const RECORD_BYTES: usize = HANDLE_BYTES + KEY_BYTES;

type Handle = [u8; HANDLE_BYTES];

/// The keys of users; threads of the process share them.
#[derive(Clone)]
pub(crate) struct UserKeys(Arc<Mutex<KeyFile>>);

impl std::fmt::Debug for UserKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("UserKeys")
    }
}

struct KeyFile {
    path: PathBuf,
    file: File,
    handles: hmac::Key,
    /// Which record a user's is.
    places: HashMap<Handle, u32>,
    count: u32,
}

impl UserKeys {
    /// Opens the file, or makes it.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let file = KeyFile::open(path)
            .with_context(|| format!("{}: the keys of users", path.display()))?;
        Ok(Self(Arc::new(Mutex::new(file))))
    }

    /// The user's name in the log. One that was never named gets a key.
    pub(super) fn name(&self, user_id: &[u8]) -> anyhow::Result<hmac::Tag> {
        let mut keys = self.lock();
        let key = keys.key(user_id)?;
        Ok(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), user_id))
    }

    /// Destroys the user's key; false where it has none.
    pub(crate) fn destroy(&self, user_id: &[u8]) -> anyhow::Result<bool> {
        let mut keys = self.lock();
        let path = keys.path.clone();
        keys.destroy(user_id)
            .with_context(|| format!("{}: a user's key is not destroyed", path.display()))
    }

    #[expect(clippy::disallowed_methods, reason = "threads of the process wait, never a shard")]
    fn lock(&self) -> MutexGuard<'_, KeyFile> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyFile {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path)?;
        file.lock()?;
        let length = file.metadata()?.len();
        let mut header = [0; HEADER_BYTES];
        if length == 0 {
            header[..8].copy_from_slice(&MAGIC);
            header[8] = FORMAT;
            fill(&mut header[16..16 + KEY_BYTES])?;
            file.write_all_at(&header, 0)?;
            file.sync_all()?;
        } else {
            let is_whole = file.read_exact_at(&mut header, 0).is_ok();
            ensure!(
                is_whole && header[..8] == MAGIC && header[8] == FORMAT,
                "it is no file of users' keys"
            );
        }
        file.unlock()?;
        let handles = hmac::Key::new(hmac::HMAC_SHA256, &header[16..16 + KEY_BYTES]);
        let (path, places) = (path.to_owned(), HashMap::new());
        let mut keys = Self { path, file, handles, places, count: 0 };
        keys.see_added()?;
        Ok(keys)
    }

    /// Takes the records that were added since the last look.
    fn see_added(&mut self) -> anyhow::Result<()> {
        let length = self.file.metadata()?.len();
        let records = length.saturating_sub(HEADER_BYTES as u64) / RECORD_BYTES as u64;
        let count = u32::try_from(records).context("it has too many records")?;
        for place in self.count..count {
            let record = self.record(place)?;
            if record != [0; RECORD_BYTES] {
                self.places.insert(first(&record), place);
            }
        }
        self.count = count;
        Ok(())
    }

    /// Has `act` change the file, with its lock.
    fn locked<T>(&mut self, act: impl FnOnce(&mut Self) -> anyhow::Result<T>) -> anyhow::Result<T> {
        self.file.lock()?;
        let done = self.see_added().and_then(|()| act(self));
        self.file.unlock()?;
        done
    }

    /// The key of a handle, where it has one that was not destroyed.
    fn known(&self, handle: &Handle) -> std::io::Result<Option<[u8; KEY_BYTES]>> {
        let Some(&place) = self.places.get(handle) else { return Ok(None) };
        let record = self.record(place)?;
        let mut key = [0; KEY_BYTES];
        key.copy_from_slice(&record[HANDLE_BYTES..]);
        Ok((first(&record) == *handle).then_some(key))
    }

    fn key(&mut self, user_id: &[u8]) -> anyhow::Result<[u8; KEY_BYTES]> {
        let handle = self.handle(user_id);
        if let Some(key) = self.known(&handle)? {
            return Ok(key);
        }
        self.locked(|keys| {
            if let Some(key) = keys.known(&handle)? {
                return Ok(key);
            }
            let mut record = [0; RECORD_BYTES];
            record[..HANDLE_BYTES].copy_from_slice(&handle);
            fill(&mut record[HANDLE_BYTES..])?;
            keys.file.write_all_at(&record, offset(keys.count))?;
            keys.places.insert(handle, keys.count);
            keys.count += 1;
            let mut key = [0; KEY_BYTES];
            key.copy_from_slice(&record[HANDLE_BYTES..]);
            Ok(key)
        })
    }

    fn destroy(&mut self, user_id: &[u8]) -> anyhow::Result<bool> {
        let handle = self.handle(user_id);
        self.locked(|keys| {
            let Some(&place) = keys.places.get(&handle) else { return Ok(false) };
            if keys.known(&handle)?.is_none() {
                return Ok(false);
            }
            keys.file.write_all_at(&[0; RECORD_BYTES], offset(place))?;
            keys.file.sync_data()?;
            keys.places.remove(&handle);
            Ok(true)
        })
    }

    fn handle(&self, user_id: &[u8]) -> Handle {
        first(hmac::sign(&self.handles, user_id).as_ref())
    }

    fn record(&self, place: u32) -> std::io::Result<[u8; RECORD_BYTES]> {
        let mut record = [0; RECORD_BYTES];
        self.file.read_exact_at(&mut record, offset(place))?;
        Ok(record)
    }
}

fn offset(place: u32) -> u64 {
    HEADER_BYTES as u64 + u64::from(place) * RECORD_BYTES as u64
}

fn first(bytes: &[u8]) -> Handle {
    let mut handle = [0; HANDLE_BYTES];
    handle.copy_from_slice(&bytes[..HANDLE_BYTES]);
    handle
}

fn fill(bytes: &mut [u8]) -> anyhow::Result<()> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| anyhow::anyhow!("the system gives no random bytes"))
}

#[cfg(test)]
mod tests {
    use super::UserKeys;

    #[test]
    fn a_user_has_one_name_until_its_key_is_destroyed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.keys");
        let name =
            |keys: &UserKeys, user: &str| keys.name(user.as_bytes()).unwrap().as_ref().to_vec();
        let keys = UserKeys::open(&path).unwrap();
        let (one, other) = (name(&keys, "one"), name(&keys, "other"));
        assert!(one != other && name(&keys, "one") == one);
        // Another process, beside it.
        let second = UserKeys::open(&path).unwrap();
        let third = name(&second, "third");
        assert!(name(&second, "one") == one && name(&keys, "third") == third);
        assert!(keys.destroy(b"one").unwrap() && !second.destroy(b"one").unwrap());
        let anew = name(&second, "one");
        assert!(anew != one && name(&keys, "one") == anew && name(&keys, "other") == other);
        drop((keys, second));
        let keys = UserKeys::open(&path).unwrap();
        assert!(name(&keys, "one") == anew && name(&keys, "other") == other);
        let bytes = std::fs::read(&path).unwrap();
        assert!(!keys.destroy(b"nobody").unwrap() && bytes.len() == 64 + 4 * 48);
        std::fs::write(folder.path().join("other"), "x").unwrap();
        assert!(UserKeys::open(&folder.path().join("other")).is_err());
    }
}

//! A program that was started for a measurement, with whatever it starts in turn.

use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result, ensure};

use super::usage::{Usage, ids_of_tree};

/// A process and its descendants, pinned to a core; they are ended on drop.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts `arguments` on `core`. What they start is pinned as well, and the first process is
    /// killed with this one.
    pub(crate) fn start(arguments: &[String], core: usize) -> Result<Self> {
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "taskset", "-c"])
            .arg(core.to_string())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("{arguments:?} didn't start"))?;
        Ok(Self { child })
    }

    /// How it ended, if it did.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// What all of it has used.
    pub(super) fn usage(&self) -> Result<Usage> {
        Usage::of_tree(self.child.id())
    }

    /// Sends a signal to all of it.
    pub(super) fn signal(&self, signal: &str) -> Result<()> {
        let root = self.child.id();
        let ids = ids_of_tree(root)?;
        let ids = ids.iter().map(u32::to_string);
        let status = Command::new("kill").args(["-s", signal, "--"]).args(ids).status()?;
        ensure!(status.success(), "can't send SIG{signal} to the processes of {root}");
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing is left to do for a process that is gone already.
        let _ = self.signal("KILL");
        let _ = self.child.wait();
    }
}

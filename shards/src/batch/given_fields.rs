//! Which fields of a request were read already, so that one that is there twice is seen.

const BITS: usize = u64::BITS as usize;

/// A bit for each of a model's request fields. Reused from request to request.
#[derive(Debug, Default)]
pub(crate) struct GivenFields {
    words: Vec<u64>,
}

impl GivenFields {
    /// Begins a row of so many fields, none of which was given.
    pub(crate) fn reset(&mut self, fields: usize) {
        self.words.clear();
        self.words.resize(fields.div_ceil(BITS), 0);
    }

    /// Notes that a field is given; whether it was before.
    pub(crate) fn note(&mut self, field: usize) -> bool {
        let Some(word) = self.words.get_mut(field / BITS) else { return false };
        let bit = 1 << (field % BITS);
        let was_given = *word & bit != 0;
        *word |= bit;
        was_given
    }

    /// Gives back what a request of very many fields has left.
    pub(crate) fn shrink(&mut self) {
        const KEPT_WORDS_MAX: usize = 64;
        if self.words.capacity() > KEPT_WORDS_MAX {
            self.words = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::GivenFields;

    #[test]
    fn each_field_is_given_once() {
        let mut given = GivenFields::default();
        given.reset(130);
        for field in [0, 63, 64, 129] {
            assert!(!given.note(field), "{field}");
            assert!(given.note(field), "{field}");
        }
        given.reset(130);
        assert!(!given.note(64));
    }
}

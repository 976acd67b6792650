//! Numbers and texts as bytes, little-endian, and back.

/// Puts a message together.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn byte(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    pub(crate) fn number(&mut self, value: usize) -> &mut Self {
        self.0.extend((value as u64).to_le_bytes());
        self
    }

    pub(crate) fn float(&mut self, value: f64) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Bytes, with their number before them.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len());
        self.0.extend(bytes);
        self
    }

    pub(crate) fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

/// Takes a message apart; nothing where it ends too early.
#[derive(Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn word(&mut self) -> Option<[u8; 8]> {
        self.take(8)?.try_into().ok()
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    pub(crate) fn number(&mut self) -> Option<usize> {
        usize::try_from(u64::from_le_bytes(self.word()?)).ok()
    }

    pub(crate) fn float(&mut self) -> Option<f64> {
        Some(f64::from_le_bytes(self.word()?))
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let count = self.number()?;
        self.take(count)
    }

    pub(crate) fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }
}

/// Messages with the numbers of their processes as one message.
pub(super) fn joined(messages: &[(usize, Vec<u8>)]) -> Vec<u8> {
    let mut all = Writer::default();
    for (rank, message) in messages {
        all.number(*rank).bytes(message);
    }
    all.finish()
}

/// The inverse of [`joined`].
pub(super) fn numbered(message: &[u8]) -> Option<Vec<(usize, Vec<u8>)>> {
    let mut reader = Reader::new(message);
    let mut all = Vec::new();
    while !reader.is_at_end() {
        all.push((reader.number()?, reader.bytes()?.to_vec()));
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_it_was_written_and_not_beyond_its_end() {
        let mut writer = Writer::default();
        writer.byte(3).number(7).float(-0.0).bytes("ß".as_bytes());
        let message = writer.finish();
        let mut reader = Reader::new(&message);
        assert_eq!((reader.byte(), reader.number()), (Some(3), Some(7)));
        assert_eq!(reader.float().map(f64::to_bits), Some((-0.0f64).to_bits()));
        assert_eq!(reader.text().as_deref(), Some("ß"));
        assert!(reader.is_at_end() && reader.byte().is_none());
        let cut = &message[..message.len() - 1];
        let mut reader = Reader::new(&cut[17..]);
        assert_eq!(reader.bytes(), None);
        // A count beyond the message takes no memory.
        assert_eq!(Reader::new(&[255; 8]).bytes(), None);
    }
}

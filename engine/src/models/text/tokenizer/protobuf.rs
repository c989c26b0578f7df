//! As much of protobuf's wire format as a sentencepiece model needs. No length is trusted: all are checked against what is left.

/// One field of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed32([u8; 4]),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
}

/// Why a message could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

impl<'a> Value<'a> {
    pub(super) fn bytes(self) -> Result<&'a [u8], Broken> {
        if let Self::Bytes(bytes) = self { Ok(bytes) } else { Err(Broken) }
    }

    pub(super) fn varint(self) -> Result<u64, Broken> {
        if let Self::Varint(value) = self { Ok(value) } else { Err(Broken) }
    }

    pub(super) fn f32(self) -> Result<f32, Broken> {
        if let Self::Fixed32(bytes) = self { Ok(f32::from_le_bytes(bytes)) } else { Err(Broken) }
    }
}

/// The fields of a message, in order: (number, value).
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn varint(&mut self) -> Result<u64, Broken> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(Broken)?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Broken)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Broken> {
        let length = usize::try_from(length).map_err(|_| Broken)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Broken)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        self.take(N as u64)?.try_into().map_err(|_| Broken)
    }

    fn field(&mut self) -> Result<(u64, Value<'a>), Broken> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(self.array()?),
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(self.array()?),
            _ => return Err(Broken), // groups (3, 4) are long gone, 6 and 7 do not exist
        };
        if key >> 3 == 0 { Err(Broken) } else { Ok((key >> 3, value)) }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[]; // nothing after a broken field can be trusted
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &[u8]) -> Result<Vec<(u64, Value<'_>)>, Broken> {
        Fields::new(message).collect()
    }

    #[test]
    fn every_wire_type_is_read() {
        let message = [0x08, 0x96, 0x01, 0x12, 2, b'h', b'i', 0x1d, 0, 0, 0x80, 0x3f, 0x21, 1, 2, 3, 4, 5, 6, 7, 8];
        let expected = vec![
            (1, Value::Varint(150)),
            (2, Value::Bytes(b"hi")),
            (3, Value::Fixed32([0, 0, 0x80, 0x3f])),
            (4, Value::Fixed64([1, 2, 3, 4, 5, 6, 7, 8])),
        ];
        assert_eq!(read(&message), Ok(expected));
        assert_eq!(Value::Fixed32([0, 0, 0x80, 0x3f]).f32(), Ok(1.0));
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let table: &[&[u8]] = &[
            &[0x0a, 5, 1, 2],                                                          // 5 bytes, 2 are there
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0],    // 2^64 - 1 bytes
            &[0x0a],                                                                   // no length
            &[0x08],                                                                   // no value
            &[0x08, 0x80],                                                             // unfinished varint
            &[0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], // varint of 11 bytes
            &[0x0d, 0, 0],                                                             // half a fixed32
            &[0x09, 0, 0, 0, 0],                                                       // half a fixed64
            &[0x0b, 0x0c],                                                             // a group
            &[0x0e, 0],                                                                // wire type 6
            &[0x02, 0],                                                                // field number 0
        ];
        for message in table {
            assert_eq!(read(message), Err(Broken), "{message:x?}");
        }
    }
}

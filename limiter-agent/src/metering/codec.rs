//! How the record is written: numbers by seven bits, texts with their length.

use std::sync::Arc;

use super::bucket::{Bucket, Half};
use super::subject::Subject;
use super::tracked::Tracked;

/// Bytes are not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it does not hold what was written to it")]
pub(super) struct Unreadable;

/// Appends a number.
pub(super) fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Appends a text.
pub(super) fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put_number(bytes, text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
}

/// Appends an instant, which may be before 1970.
pub(super) fn put_instant(bytes: &mut Vec<u8>, instant_ms: i64) {
    put_number(bytes, instant_ms.cast_unsigned());
}

/// Appends whose a meter is.
pub(super) fn put_subject(bytes: &mut Vec<u8>, subject: &Subject) {
    match subject {
        Subject::Network { id, plan } => {
            put_number(bytes, 1 + u64::from(plan.is_some()));
            put_text(bytes, id);
            if let Some(plan) = plan {
                put_text(bytes, plan);
            }
        }
        Subject::Instance { id, network } => {
            put_number(bytes, 3);
            put_text(bytes, id);
            put_text(bytes, network);
        }
    }
}

/// Appends an open bucket.
pub(super) fn put_bucket(bytes: &mut Vec<u8>, bucket: &Bucket) {
    put_number(bytes, u64::from(bucket.is_estimated));
    for half in &bucket.halves {
        let Half { bytes: passed, window_bytes_max, window_bytes, refused_bytes, limited_s } = *half;
        for number in [passed, window_bytes_max, window_bytes, refused_bytes, limited_s] {
            put_number(bytes, number);
        }
    }
}

/// Appends a slot.
pub(super) fn put_tracked(bytes: &mut Vec<u8>, slot: u32, tracked: &Tracked) {
    let Tracked { generation, key: (entity, kind), subject, last, bucket, held: _ } = tracked;
    for number in [slot.into(), (*generation).into(), *entity, (*kind).into()] {
        put_number(bytes, number);
    }
    put_subject(bytes, subject);
    for (passed, refused) in last {
        put_number(bytes, *passed);
        put_number(bytes, *refused);
    }
    put_bucket(bytes, bucket);
}

/// Reads what was written, from its start.
#[derive(Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Reader<'_> {
    /// True at the end.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next number.
    pub(super) fn number(&mut self) -> Result<u64, Unreadable> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or(Unreadable)?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(Unreadable);
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Unreadable)
    }

    /// The next number, of 32 bits.
    pub(super) fn small(&mut self) -> Result<u32, Unreadable> {
        self.number()?.try_into().map_err(|_| Unreadable)
    }

    /// The next instant.
    pub(super) fn instant(&mut self) -> Result<i64, Unreadable> {
        Ok(self.number()?.cast_signed())
    }

    /// The next text.
    pub(super) fn text(&mut self) -> Result<Arc<str>, Unreadable> {
        let length = usize::try_from(self.number()?).map_err(|_| Unreadable)?;
        let (text, rest) = self.0.split_at_checked(length).ok_or(Unreadable)?;
        self.0 = rest;
        Ok(str::from_utf8(text).map_err(|_| Unreadable)?.into())
    }

    /// Whose the next meter is.
    pub(super) fn subject(&mut self) -> Result<Subject, Unreadable> {
        match self.number()? {
            1 => Ok(Subject::Network { id: self.text()?, plan: None }),
            2 => Ok(Subject::Network { id: self.text()?, plan: Some(self.text()?) }),
            3 => Ok(Subject::Instance { id: self.text()?, network: self.text()? }),
            _ => Err(Unreadable),
        }
    }

    /// The next open bucket.
    pub(super) fn bucket(&mut self) -> Result<Bucket, Unreadable> {
        let mut bucket = Bucket { is_estimated: self.number()? != 0, ..Bucket::default() };
        for half in &mut bucket.halves {
            *half = Half {
                bytes: self.number()?,
                window_bytes_max: self.number()?,
                window_bytes: self.number()?,
                refused_bytes: self.number()?,
                limited_s: self.number()?,
            };
        }
        if bucket.is_valid() { Ok(bucket) } else { Err(Unreadable) }
    }

    /// The next slot.
    pub(super) fn tracked(&mut self) -> Result<(u32, Tracked), Unreadable> {
        let slot = self.small()?;
        let generation = self.small()?;
        let key = (self.number()?, self.small()?);
        let subject = self.subject()?;
        let mut last = [(0, 0); 2];
        for (passed, refused) in &mut last {
            (*passed, *refused) = (self.number()?, self.number()?);
        }
        let bucket = self.bucket()?;
        Ok((slot, Tracked { generation, key, subject, last, bucket, held: [false; 2] }))
    }
}

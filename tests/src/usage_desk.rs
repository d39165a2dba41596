//! What agents measured, as a control plane takes it: each batch of a record once, in the order of its numbers.

use std::collections::BTreeMap;
use std::io::Read as _;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use flate2::read::GzDecoder;
use limiter_api::usage::{BATCH_ROWS_MAX, BUCKET_S, Measured, UsageBatch, UsageTaken};

/// Batches that were taken.
#[derive(Debug, Default)]
pub struct UsageDesk {
    /// By record, in the order of their numbers, which begin at 1.
    taken: BTreeMap<String, Vec<UsageBatch>>,
    /// Batches that came once more.
    repeated: u64,
    /// How the next batches are refused: status and code. They are stored all the same where it is a 5xx, as when
    /// the answer is lost.
    refusal: Option<(u16, String)>,
    /// It does not know compressed bodies.
    is_plain: bool,
}

/// Why a batch is refused: status and code.
pub type Refusal = (StatusCode, String);

impl UsageDesk {
    /// Takes a body.
    pub fn take(&mut self, headers: &HeaderMap, body: &Bytes) -> Result<UsageTaken, Refusal> {
        let is_gzip = headers.get("content-encoding").is_some_and(|encoding| encoding == "gzip");
        if is_gzip && self.is_plain {
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType".to_owned()));
        }
        let batch = batch(is_gzip, body);
        let refusal = self.refusal.clone();
        if let Some((status, code)) = &refusal
            && *status < 500
        {
            return Err((StatusCode::from_u16(*status).expect("a status"), code.clone()));
        }
        let taken = self.taken.entry(batch.record.clone()).or_default();
        let (through, sequence) = (taken.len() as u64, batch.sequence);
        if sequence == through + 1 {
            taken.push(batch);
        } else if sequence > through {
            return Err((StatusCode::CONFLICT, "UsageOutOfOrder".to_owned()));
        } else if taken[sequence as usize - 1] == batch {
            self.repeated += 1;
        } else {
            return Err((StatusCode::CONFLICT, "UsageConflict".to_owned()));
        }
        match refusal {
            Some((status, code)) => Err((StatusCode::from_u16(status).expect("a status"), code)),
            None => Ok(UsageTaken { through: through.max(sequence), refused_rows: 0 }),
        }
    }

    /// Up to which number a record is here.
    pub fn through(&self, record: &str) -> UsageTaken {
        let through = self.taken.get(record).map_or(0, |batches| batches.len() as u64);
        UsageTaken { through, refused_rows: 0 }
    }

    /// Refuses batches from now on, or no longer.
    pub fn refuse(&mut self, refusal: Option<(u16, &str)>) {
        self.refusal = refusal.map(|(status, code)| (status, code.to_owned()));
    }

    /// Reads no compressed bodies from now on.
    pub fn read_plain_alone(&mut self) {
        self.is_plain = true;
    }

    /// Forgets the last batches of every record, as a database that was restored.
    pub fn forget_last(&mut self, count: usize) {
        for batches in self.taken.values_mut() {
            batches.truncate(batches.len().saturating_sub(count));
        }
    }

    /// All batches, record by record.
    pub fn batches(&self) -> Vec<UsageBatch> {
        self.taken.values().flatten().cloned().collect()
    }

    /// Batches that came once more.
    pub fn repeated(&self) -> u64 {
        self.repeated
    }
}

/// Reads a batch and checks what every batch promises.
///
/// # Panics
/// Where it breaks a promise.
fn batch(is_gzip: bool, body: &Bytes) -> UsageBatch {
    let mut bytes = Vec::new();
    if is_gzip {
        GzDecoder::new(&**body).read_to_end(&mut bytes).expect("gzip");
    } else {
        bytes.extend_from_slice(body);
    }
    let batch: UsageBatch = serde_json::from_slice(&bytes).expect("a batch");
    assert!(
        batch.record.len() == 32 && batch.record.chars().all(|c| c.is_ascii_hexdigit()),
        "{}",
        batch.record
    );
    assert!(batch.networks.len() + batch.instances.len() <= BATCH_ROWS_MAX);
    let networks = batch.networks.iter().map(|row| (row.start, [row.up, row.down]));
    let instances = batch.instances.iter().map(|row| (row.start, [row.up, row.down]));
    for (start, ways) in networks.chain(instances) {
        assert_eq!(start.as_second() % BUCKET_S, 0, "{start}");
        for Measured { bytes, window_bytes_max, limited_s, .. } in ways {
            assert!(window_bytes_max <= bytes && limited_s <= BUCKET_S as u64, "{batch:?}");
        }
    }
    batch
}

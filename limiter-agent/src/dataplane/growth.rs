//! Larger maps beside those in use, which take their place without a packet unlimited or uncounted.
//!
//! Maps are allocated whole. Larger ones are filled with what those in use hold, programs that write
//! them are exchanged for those attached, then they get the old ones' counts and their place. Until the
//! first program is exchanged nothing depends on them; after it, killed at any moment, it goes on. Counts are taken
//! over exactly, so the larger maps keep the identity of the smaller ones: their counters are the same, further on.

use std::path::{Path, PathBuf};

use aya::maps::MapData;

use super::attach::{self, Loaded};
use super::{DataPlaneError, Maps, Programs, Sizes, bpffs, meters};

/// Maps that are to take the place of others.
pub struct Growth {
    pins: PathBuf,
    next: PathBuf,
    old: Maps,
    new: Maps,
    programs: Programs,
}

impl Growth {
    /// The growth that was cut short with programs exchanged already; others leave nothing.
    pub fn resume(pins: &Path) -> Result<Option<Self>, DataPlaneError> {
        let next = next(pins);
        let meters = bpffs::layout(&next).join("METERS");
        let id = MapData::from_pin(meters).and_then(|map| map.info()).ok().map(|info| info.id());
        if !attach::loaded(id).iter().any(|program| program.current) {
            Maps::unpin(&next)?;
            return Ok(None);
        }
        let Some(sizes) = Maps::open(&next)?.map(|maps| maps.sizes()) else { return Ok(None) };
        Self::open(pins, next, &sizes)
    }

    /// Makes maps of `sizes` with the content of those in use.
    pub fn begin(pins: &Path, sizes: &Sizes) -> Result<Option<Self>, DataPlaneError> {
        let next = next(pins);
        bpffs::prepare(&bpffs::layout(&next))?;
        for name in Sizes::FIXED {
            let map = MapData::from_pin(bpffs::layout(pins).join(name)).map_err(DataPlaneError::map(name))?;
            let path = bpffs::layout(&next).join(name);
            map.pin(&path)
                .map_err(|error| DataPlaneError::Pin { path, source: std::io::Error::other(error) })?;
        }
        let growth = Self::open(pins, next, sizes)?;
        if let Some(growth) = &growth {
            growth.new.adopt(&growth.old)?;
        }
        Ok(growth)
    }

    fn open(pins: &Path, next: PathBuf, sizes: &Sizes) -> Result<Option<Self>, DataPlaneError> {
        let programs = Programs::load(&next, sizes)?;
        let (old, new) = (Maps::open(pins)?, Maps::open(&next)?);
        Ok(old.zip(new).map(|(old, new)| Self { pins: pins.to_owned(), next, old, new, programs }))
    }

    /// The programs that write the new maps.
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// Programs that write the old maps, as `current`, and others of ours.
    pub fn loaded(&self) -> Vec<Loaded> {
        attach::loaded(Some(self.old.meters_id()))
    }

    /// Ends the growth when no program that writes the old maps is attached any more.
    pub fn finish(self) -> Result<(), DataPlaneError> {
        meters::grace_period();
        self.new.meters().take_counts(self.old.meters());
        bpffs::exchange(&self.pins, &self.next)?;
        self.new.meters().settle_counts();
        Maps::unpin(&self.next)
    }
}

/// Where the larger maps are pinned until they take their place.
fn next(pins: &Path) -> PathBuf {
    pins.join("next")
}

//! Bytes on the wire against a model that builds every segment.

use limiter_common::wire::{PADDED_PAYLOAD_MAX_BYTES, Wire, segmented, single};
use proptest::prelude::*;

/// Cuts the payload into segments as the kernel does and counts each with its headers.
fn cut(buffer_bytes: usize, header_bytes: usize, gso_size: usize) -> Wire {
    let payload = vec![0_u8; buffer_bytes.saturating_sub(header_bytes)];
    let segments: Vec<usize> = payload.chunks(gso_size).map(|chunk| header_bytes + chunk.len()).collect();
    match segments.as_slice() {
        [] => Wire { bytes: buffer_bytes as u64, packets: 1 },
        segments => Wire { bytes: segments.iter().sum::<usize>() as u64, packets: segments.len() as u64 },
    }
}

proptest! {
    #[test]
    fn segments_are_counted_as_the_kernel_cuts_them(
        buffer in 1_usize..70_000, header in 20_usize..200, gso_size in prop_oneof![1_usize..100, 500_usize..65_535],
    ) {
        prop_assert_eq!(segmented(buffer as u64, header as u64, gso_size as u32), cut(buffer, header, gso_size));
    }

    #[test]
    fn only_padding_is_taken_off(buffer in 20_u64..2_000, missing in 0_u64..60) {
        let ip = buffer.saturating_sub(missing);
        let bytes = if buffer <= 46 { ip } else { buffer };
        prop_assert_eq!(single(buffer, ip), Wire { bytes, packets: 1 });
    }
}

#[test]
fn the_ends_of_a_segment() {
    let wire = |bytes, packets| Wire { bytes, packets };
    assert_eq!(segmented(40 + 1448, 40, 1448), wire(1488, 1));
    assert_eq!(segmented(40 + 1449, 40, 1448), wire(1529, 2));
    assert_eq!(segmented(40 + 2896, 40, 1448), wire(2976, 2));
    assert_eq!(segmented(40, 40, 1448), wire(40, 1));
    assert_eq!(segmented(524_288, 60, 1), wire(524_228 * 61, 524_228));
    assert_eq!(single(PADDED_PAYLOAD_MAX_BYTES, 28), wire(28, 1));
    assert_eq!(single(PADDED_PAYLOAD_MAX_BYTES + 1, 28), wire(47, 1));
}

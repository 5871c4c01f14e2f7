//! Clearing memory with DC ZVA: one instruction a block (64 bytes on most cores) instead of one a word.

/// Sets `bytes` bytes at `start` to zero.
///
/// # Safety
/// The range is valid for writing, unused by anybody else, and mapped as Normal memory with the MMU on (DC ZVA to Device
/// memory, which all memory is while the MMU is off, is an alignment fault).
pub unsafe fn zero(start: *mut u8, bytes: usize) {
    let Some(block) = zva_block() else {
        // SAFETY: the caller's promise.
        unsafe { start.write_bytes(0, bytes) };
        return;
    };
    let head = start.align_offset(block).min(bytes);
    let blocks_end = head + (bytes - head) / block * block;
    let mut at = head;
    // SAFETY: [0, head), [head, blocks_end) and [blocks_end, bytes) split the caller's range; each DC ZVA clears the
    // naturally aligned block that contains its address, and `at` steps through whole blocks of the middle part.
    unsafe {
        start.write_bytes(0, head);
        // Four at a time: the loop's own instructions cost as much as the work.
        while at + 4 * block <= blocks_end {
            zva(start.add(at));
            zva(start.add(at + block));
            zva(start.add(at + 2 * block));
            zva(start.add(at + 3 * block));
            at += 4 * block;
        }
        while at < blocks_end {
            zva(start.add(at));
            at += block;
        }
        start.add(blocks_end).write_bytes(0, bytes - blocks_end);
    }
}

/// Bytes that one DC ZVA clears; `None` when it is prohibited.
#[inline]
fn zva_block() -> Option<usize> {
    let id = read_register!("DCZID_EL0");
    // DZP, bit 4: prohibited. BS, bits 3:0: log2 of the block in words.
    (id & 1 << 4 == 0).then_some(4 << (id & 0xf))
}

/// Clears the block that contains `address`.
///
/// # Safety
/// That whole block may be written.
#[inline]
unsafe fn zva(address: *mut u8) {
    // SAFETY: passed on to the caller; the compiler knows that memory changes (no `nomem`).
    unsafe { core::arch::asm!("dc zva, {}", in(reg) address, options(nostack, preserves_flags)) };
}

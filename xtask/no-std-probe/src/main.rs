//! A program without a standard library that links `synfin-core` and `synfin-wire`.
//!
//! It brings its own panic handler and allocator. If a dependency used `std`, the program would
//! have two panic handlers and would not build; that is the proof `cargo xtask ci` asks for.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::hint::black_box;
use core::sync::atomic::{AtomicUsize, Ordering};

use synfin_core as _;
use synfin_wire as _;

const ARENA_BYTES: usize = 1 << 20;

/// Hands out one static arena from front to back and takes nothing back.
struct Arena {
    bytes: UnsafeCell<[u8; ARENA_BYTES]>,
    used: AtomicUsize,
}

// SAFETY: `used` gives every caller a range of `bytes` of its own.
unsafe impl Sync for Arena {}

// SAFETY: ranges are aligned, inside the arena, and never handed out twice.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.bytes.get().cast::<u8>();
        let taken = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                let address = (base as usize).checked_add(used)?;
                let padding = address.next_multiple_of(layout.align()) - address;
                let end = used.checked_add(padding)?.checked_add(layout.size())?;
                (end <= ARENA_BYTES).then_some(end)
            });
        match taken {
            Ok(used) => {
                let address = base as usize + used;
                let start = address.next_multiple_of(layout.align()) - base as usize;
                // SAFETY: the closure above checked that the range ends inside the arena.
                unsafe { base.add(start) }
            }
            Err(_) => core::ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ARENA: Arena = Arena {
    bytes: UnsafeCell::new([0; ARENA_BYTES]),
    used: AtomicUsize::new(0),
};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// Named by the precompiled `alloc`; without unwinding nobody calls it.
// SAFETY: the only symbol of this name in a program without `std`.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

// The C library is the host's way to start and end a program; it is no part of what is proved.
#[link(name = "c")]
unsafe extern "C" {}

// SAFETY: the only symbol of this name; the C library calls it once.
#[unsafe(no_mangle)]
extern "C" fn main(_: i32, _: *const *const u8) -> i32 {
    let list: Vec<u32> = (0..NUMBERS).collect();
    let sum: u32 = black_box(list).iter().sum();
    i32::from(sum != NUMBERS * (NUMBERS - 1) / 2)
}

/// How many numbers the allocator must hold while the program runs.
const NUMBERS: u32 = 1000;

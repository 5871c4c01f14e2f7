// The image header and the first instructions. Entered as the Linux arm64 boot protocol says: x0 = device tree, MMU off, at EL2 or
// EL1, interrupts in any state, the other cores elsewhere. Until boot_main turns the MMU on, all memory is Device memory: every access
// is aligned (the compiler's strict-align sees to that) and no exclusives are used.

    .section .head, "ax"
    .global _start
_start:
    b       first
    .long   0
    .quad   0                           // text_offset
    .quad   0                           // image_size: hake writes it, archive included
    .quad   0xa                         // flags: little-endian, 4 KiB pages, anywhere in memory
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .long   0

first:
    mrs     x20, cntvct_el0             // start_ticks before anything else
    msr     daifset, #0xf
    mov     x19, x0                     // device tree
    adrp    x21, __image_start          // where we are (page-aligned by the protocol)
    mrs     x22, CurrentEL
    lsr     x22, x22, #2
    cmp     x22, #2
    b.lo    at_el1
    b.hi    run                         // EL3: boot_main explains and stops

    // EL2: give EL1 the whole machine. The virtual counter's offset is unknown here: the physical one counts alike from now on.
    mrs     x20, cntpct_el0
    mov     x9, #(1 << 31)              // HCR: EL1 is AArch64, no traps, no second stage
    orr     x9, x9, #(1 << 29)          // HCD: HVC is undefined, nobody would answer
    msr     hcr_el2, x9
    mov     x9, #3                      // CNTHCTL: physical counter and timer belong to EL1
    msr     cnthctl_el2, x9
    msr     cntvoff_el2, xzr
    mov     x9, #0x33ff                 // CPTR: the reserved ones; CPACR_EL1 decides about floating point
    msr     cptr_el2, x9
    msr     hstr_el2, xzr
    msr     vttbr_el2, xzr
    mrs     x9, midr_el1
    msr     vpidr_el2, x9
    mrs     x9, mpidr_el1
    msr     vmpidr_el2, x9

    mov     x10, xzr                    // MDCR: no debug traps; all event counters belong to EL1, if there are any
    mrs     x9, id_aa64dfr0_el1
    ubfx    x9, x9, #8, #4
    sub     x9, x9, #1
    cmp     x9, #0xe                    // 0: no monitors; 0xf: not the architecture's
    b.hs    1f
    mrs     x10, pmcr_el0
    ubfx    x10, x10, #11, #5
1:  msr     mdcr_el2, x10

    mrs     x9, id_aa64pfr0_el1         // GIC system registers?
    ubfx    x9, x9, #24, #4
    cbz     x9, 2f
    mrs     x9, ICC_SRE_EL2
    mov     x10, #0x9                   // SRE and Enable: use them here, allow them at EL1
    orr     x9, x9, x10
    msr     ICC_SRE_EL2, x9
    isb
    msr     ICH_HCR_EL2, xzr            // no virtual interrupts

2:  ldr     x9, sctlr_value             // EL1's is unknown after reset
    msr     sctlr_el1, x9
    mov     x9, #0x3c5                  // EL1h, DAIF masked
    msr     spsr_el2, x9
    adr     x9, run
    msr     elr_el2, x9
    eret

at_el1:
    msr     spsel, #1
    ldr     x9, sctlr_value
    msr     sctlr_el1, x9
    isb

run:
    adrp    x9, __stack_end
    add     x9, x9, :lo12:__stack_end
    mov     sp, x9

    adrp    x9, __bss_start             // page-aligned
    adrp    x10, __bss_end
    add     x10, x10, :lo12:__bss_end   // 16-aligned
3:  cmp     x9, x10
    b.hs    4f
    stp     xzr, xzr, [x9], #16
    b       3b

4:  // Relocate ourselves: linked at 0, so places and addends are offsets from x21.
    mov     x23, xzr
    adrp    x9, __rela_start
    add     x9, x9, :lo12:__rela_start
    adrp    x10, __rela_end
    add     x10, x10, :lo12:__rela_end
5:  cmp     x9, x10
    b.hs    8f
    ldp     x11, x12, [x9], #16         // place, type
    ldr     x13, [x9], #8               // addend
    cmp     x12, #1027                  // R_AARCH64_RELATIVE
    b.ne    6f
    add     x13, x13, x21
    str     x13, [x11, x21]
    b       5b
6:  cbz     x12, 5b                     // R_AARCH64_NONE
    add     x23, x23, #1                // boot_main complains
    b       5b

8:  mov     x0, x19
    mov     x1, x20
    mov     x2, x22
    mov     x3, x23
    mov     x29, xzr
    mov     x30, xzr
    bl      boot_main
9:  wfi
    b       9b

    .balign 8
sctlr_value:
    .quad   {sctlr}

// The handover page: exception vectors that report and stop, and the jump into the CPU driver.
//
// It is position-independent and self-contained, because it is used in two places: here, while the boot driver runs, and as a
// copy in the CPU driver's last page, mapped executable in the kernel window. From there it takes the identity mapping away
// under nobody's feet, and an exception in the CPU driver before it has vectors of its own is still seen.

    .section .text.handover, "ax"
    .balign 4096
    .global handover_page
handover_page:
    .rept   16
    .balign 128
    adr     x19, .
    b       report
    .endr
    .balign 128

// x19: address of the vector. All registers may be lost: there is no way back.
report:
    movz    x9, #0xbe02                 // an exception while reporting one: stop
    movk    x9, #0xbe01, lsl #16
    cmp     x26, x9
    b.eq    stop
    mov     x26, x9
    ldr     x20, handover_uart
    cbz     x20, stop
    adr     x10, text_exception
    bl      put_string
    adr     x11, handover_page
    sub     x11, x19, x11
    bl      put_hex
    adr     x10, text_esr
    bl      put_string
    mrs     x11, esr_el1
    bl      put_hex
    adr     x10, text_elr
    bl      put_string
    mrs     x11, elr_el1
    bl      put_hex
    adr     x10, text_far
    bl      put_string
    mrs     x11, far_el1
    bl      put_hex
    adr     x10, text_end
    bl      put_string
stop:
    msr     daifset, #0xf
    wfi
    b       stop

// Sends w0 to the PL011 at x20; waits for room, within bounds. Uses x1, x2.
put_char:
    mov     w1, #0x100000
1:  ldr     w2, [x20, #0x18]
    tbz     w2, #5, 2f
    subs    w1, w1, #1
    b.ne    1b
2:  str     w0, [x20]
    ret

// Sends the zero-terminated string at x10. Uses x0 to x2, x28.
put_string:
    mov     x28, x30
1:  ldrb    w0, [x10], #1
    cbz     w0, 2f
    bl      put_char
    b       1b
2:  ret     x28

// Sends x11 in hexadecimal. Uses x0 to x2, x12, x28.
put_hex:
    mov     x28, x30
    mov     x12, #60
1:  lsr     x0, x11, x12
    and     x0, x0, #15
    add     x1, x0, #'a' - 10
    add     x2, x0, #'0'
    cmp     x0, #10
    csel    x0, x2, x1, lo
    bl      put_char
    subs    x12, x12, #4
    b.pl    1b
    ret     x28

// Into the CPU driver: x0 = its argument, x1 = its entry, x2 = empty table. Runs in the kernel window.
    .global handover_enter
handover_enter:
    msr     ttbr0_el1, x2
    isb
    tlbi    vmalle1
    dsb     nsh
    adr     x9, handover_page
    msr     vbar_el1, x9
    isb
    mov     x9, x1
    mov     x1, xzr
    mov     x2, xzr
    mov     x29, xzr
    mov     x30, xzr
    mov     sp, x30
    br      x9

    .balign 8
    .global handover_uart
handover_uart:
    .quad   {fallback}                  // where the PL011 is for this copy; 0: nowhere

text_exception:
    .asciz  "\r\nboot driver: exception before the CPU driver has vectors of its own: vector 0x"
text_esr:
    .asciz  " ESR 0x"
text_elr:
    .asciz  " ELR 0x"
text_far:
    .asciz  " FAR 0x"
text_end:
    .asciz  ", stopped\r\n"
    .balign 4
    .global handover_end
handover_end:

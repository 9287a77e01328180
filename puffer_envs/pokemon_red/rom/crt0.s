; Start-up for the Game Boy: vectors, header entry, a clean WRAM, initialised statics, then main().

        .module crt0
        .globl  _main
        .globl  s__INITIALIZER, l__INITIALIZER, s__INITIALIZED

        .area   _HEADER (ABS)

        .org    0x40            ; V-blank: waking the CPU from HALT is all it has to do
        reti

        .org    0x100           ; cartridge entry; 0x104-0x14F is the header that makebin fills in
        nop
        jp      start

        .org    0x150
start:
        di
        ld      sp, #0xDFFF
        xor     a
        ld      hl, #0xC000     ; WRAM to zero, as far as the stack: facts we do not use read as 0
        ld      bc, #0x1F00
clear:
        ld      (hl+), a
        dec     c
        jr      nz, clear
        dec     b
        jr      nz, clear

        ld      bc, #l__INITIALIZER
        ld      hl, #s__INITIALIZER
        ld      de, #s__INITIALIZED
copy:
        ld      a, b
        or      a, c
        jr      z, run
        ld      a, (hl+)
        ld      (de), a
        inc     de
        dec     bc
        jr      copy
run:
        call    _main
        jr      run

        ; The order of the areas in the image.
        .area   _HOME
        .area   _CODE
        .area   _INITIALIZER
        .area   _GSINIT
        .area   _GSFINAL
        .area   _DATA
        .area   _INITIALIZED
        .area   _BSS

// The Game Boy's registers and the few idioms that the game needs from them.
#pragma once
#include <stdint.h>

#define REGISTER(address) (*(volatile uint8_t *)(address))

#define P1   REGISTER(0xFF00)
#define DIV  REGISTER(0xFF04)
#define IF   REGISTER(0xFF0F)
#define LCDC REGISTER(0xFF40)
#define STAT REGISTER(0xFF41)
#define SCY  REGISTER(0xFF42)
#define SCX  REGISTER(0xFF43)
#define BGP  REGISTER(0xFF47)
#define OBP0 REGISTER(0xFF48)
#define WY   REGISTER(0xFF4A)
#define WX   REGISTER(0xFF4B)
#define IE   REGISTER(0xFFFF)

#define OAM          ((volatile uint8_t *)0xFE00)
#define SPRITE_TILES ((uint8_t *)0x8000)
#define FONT_TILES   ((uint8_t *)0x8800)
#define WORLD_TILES  ((uint8_t *)0x9000)
#define SCENE_MAP    ((uint8_t *)0x9800)
#define WINDOW_MAP   ((uint8_t *)0x9C00)

// LCDC: screen, window map at 0x9C00, 8x16 sprites, background. The world takes its tiles from 0x9000 (font at
// 0x8800); a battle adds LCD_PICTURES and takes them from 0x8000, where the two creatures are, with the same font.
#define LCD_WORLD    0xC7
#define LCD_BATTLE   0xD5
#define LCD_WINDOW   0x20

// Keys as read_keys() packs them.
#define KEY_A      0x01
#define KEY_B      0x02
#define KEY_SELECT 0x04
#define KEY_START  0x08
#define KEY_RIGHT  0x10
#define KEY_LEFT   0x20
#define KEY_UP     0x40
#define KEY_DOWN   0x80
#define KEY_ARROWS 0xF0

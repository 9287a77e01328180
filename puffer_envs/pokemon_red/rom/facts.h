// The address contract: facts that live where Pokemon Red keeps them, so that one reader serves both games.
// These macros reserve nothing; the statics of this program stay in 0xC510-0xCC1F, clear of every address here.
#pragma once
#include <stdint.h>

#define FACT(address) (*(uint8_t *)(address))

#define GRID          ((uint8_t *)0xC000)  // ours: the 16x16 cells of the map with its border, index y << 4 | x
#define FACING        FACT(0xC109)         // 0 down, 4 up, 8 left, 12 right
#define MENU_CURSOR   FACT(0xCC26)
#define JOY_IGNORE    FACT(0xCD6B)         // non-zero while keys are ignored
#define FONT_LOADED   FACT(0xCFC4)         // bit 0 while a text box or the menu is open
#define FOE_SPECIES   FACT(0xCFE5)
#define FOE_HP        ((uint8_t *)0xCFE6)  // big-endian, as every 16-bit number below
#define FOE_LEVEL     FACT(0xCFF3)
#define FOE_MAX_HP    ((uint8_t *)0xCFF4)
#define IN_BATTLE     FACT(0xD057)         // 0 no, 1 wild, 2 trainer, 0xFF just lost
#define OPPONENT      FACT(0xD059)         // species, or 200 + number of a trainer
#define PARTY_COUNT   FACT(0xD163)
#define PARTY_SPECIES ((uint8_t *)0xD164)  // ended by 0xFF
#define PARTY         ((uint8_t *)0xD16B)  // the 44 bytes of our one companion
#define OWNED         ((uint8_t *)0xD2F7)  // bit fields by species
#define SEEN          ((uint8_t *)0xD30A)
#define BAG_COUNT     FACT(0xD31D)
#define BAG           ((uint8_t *)0xD31E)  // pairs (item, quantity), ended by 0xFF
#define MONEY         ((uint8_t *)0xD347)  // six BCD digits
#define BADGES        FACT(0xD356)
#define MAP_ID        FACT(0xD35E)
#define PLAYER_Y      FACT(0xD361)
#define PLAYER_X      FACT(0xD362)
#define BLOCK_Y       FACT(0xD363)
#define BLOCK_X       FACT(0xD364)
#define LAST_OUTDOORS FACT(0xD365)
#define STARTER       FACT(0xD717)
#define REST_MAP      FACT(0xD719)
#define LEADERS       FACT(0xD72A)         // mirrors BADGES
#define STATUS_FLAGS  FACT(0xD730)         // bit 5 while the joypad is disabled
#define EVENTS        ((uint8_t *)0xD747)
#define PLAY_HOURS    FACT(0xDA41)
#define PLAY_MINUTES  FACT(0xDA43)
#define PLAY_SECONDS  FACT(0xDA44)
#define PLAY_FRAMES   FACT(0xDA45)

// Offsets in the party struct.
#define P_SPECIES 0x00
#define P_HP      0x01
#define P_MOVES   0x08
#define P_EXP     0x0E  // three bytes; the last counts wins
#define P_LEVEL   0x21
#define P_MAX_HP  0x22

#define FIRST_INDOOR_MAP 0x25

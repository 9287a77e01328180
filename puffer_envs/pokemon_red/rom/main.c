// WAYFARER: a small adventure for the Game Boy. One translation unit; read the parts in the order of the includes.
#include <stdint.h>

#include "hardware.h"
#include "facts.h"
#include "balance.h"
#include "assets.h"

#include "video.c"
#include "text.c"
#include "world.c"
#include "companion.c"
#include "battle.c"
#include "story.c"
#include "menu.c"

#define PALETTE 0xE4  // white, light, dark, black

static void set_up_screen(void) {
  wait_frame();
  LCDC = 0;
  BGP = OBP0 = PALETTE;
  load_font();
  copy_bytes(WORLD_TILES, world_tiles, LOW_TILE_BYTES);
  copy_bytes(FONT_TILES + HIGH_TILE * 16, world_tiles + LOW_TILE_BYTES, sizeof world_tiles - LOW_TILE_BYTES);
  copy_bytes(SPRITE_TILES, player_tiles, sizeof player_tiles);
}

static void begin_story(void) {
  set_money(START_MONEY);
  BAG[0] = 0xFF;
  PARTY_SPECIES[0] = 0xFF;
  REST_MAP = FIRST_REST;
  load_map(FIRST_MAP, FIRST_CELL);
}

void main(void) {
  IF = 0;
  IE = 1;  // V-blank alone
  __asm__("ei");
  set_up_screen();
  begin_story();
  show_world();
  for (;;) {
    wait_frame();
    if (pressed & KEY_START) menu();
    else if (pressed & KEY_A) look_ahead();
    else if (held & KEY_ARROWS) walk(held & KEY_ARROWS);
  }
}

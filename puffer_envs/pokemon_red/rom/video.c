// Frames, keys, chance, tiles and the player's sprite.

static uint8_t held;     // keys that are down
static uint8_t pressed;  // keys that went down in this frame
static uint16_t chance;  // the 16-bit LFSR behind every roll

// ---- chance

static uint8_t random_byte(void) {
  uint8_t i;
  for (i = 0; i != 8; i++) {
    uint8_t out = (uint8_t)chance & 1;
    chance >>= 1;
    if (out) chance ^= 0xB400;
  }
  return (uint8_t)chance;
}

static void stir_chance(void) {  // the moment of a key press is the only entropy there is
  random_byte();                 // move on first: presses at a steady beat must not cancel each other out
  chance ^= DIV;
  if (chance == 0) chance = 0xACE1;
}

static uint8_t roll(uint8_t sides) {  // uniform in 0 .. sides - 1
  return ((uint16_t)random_byte() * sides) >> 8;
}

// ---- frames and keys

static void read_keys(void) {
  uint8_t before = held, arrows;
  P1 = 0x20;
  arrows = P1;
  arrows = P1;  // the lines need a moment to settle
  P1 = 0x10;
  held = P1;
  held = P1;
  held = (uint8_t)~((uint8_t)(arrows << 4) | (held & 0x0F));
  pressed = held & ~before;
  P1 = 0x30;
  if (pressed) stir_chance();
}

static void tick_clock(void) {
  if (++PLAY_FRAMES != 60) return;
  PLAY_FRAMES = 0;
  if (++PLAY_SECONDS != 60) return;
  PLAY_SECONDS = 0;
  if (++PLAY_MINUTES != 60) return;
  PLAY_MINUTES = 0;
  if (PLAY_HOURS != 255) PLAY_HOURS++;
}

static void wait_frame(void) {  // sleep until V-blank: nearly all of the game's time is spent here
  __asm__("halt");
  __asm__("nop");
  read_keys();
  tick_clock();
}

static void wait_for(uint8_t keys) {
  do wait_frame();
  while (!(pressed & keys));
}

// ---- tiles

static void screen_off(void) {
  JOY_IGNORE = 0xFF;
  STATUS_FLAGS |= 0x20;
  wait_frame();  // only in V-blank may the LCD be switched off
  LCDC = 0;
}

static void screen_on(uint8_t mode) {
  LCDC = mode;
  JOY_IGNORE = 0;
  STATUS_FLAGS &= ~0x20;
}

static void put_tile(uint8_t *where, uint8_t tile) {
  while (STAT & 2) {}  // VRAM is closed while the LCD reads it
  *where = tile;
}

static void put_row(uint8_t *where, uint8_t tile, uint8_t count) {
  while (count--) put_tile(where++, tile);
}

static void copy_bytes(uint8_t *to, const uint8_t *from, uint16_t count) {
  while (count--) *to++ = *from++;
}

static void fill_bytes(uint8_t *to, uint8_t byte, uint16_t count) {
  while (count--) *to++ = byte;
}

static void load_font(void) {  // one bit a pixel in ROM, black on white in VRAM
  uint8_t *to = FONT_TILES;
  const uint8_t *from = font_bits;
  uint16_t rows = sizeof font_bits;
  while (rows--) {
    *to++ = *from;
    *to++ = *from++;
  }
  copy_bytes(to, ui_tiles, sizeof ui_tiles);
}

// ---- pictures of creatures: 5x5 tiles at 0x8000, after the player's sprite; ours looks the other way

#define PICTURE_SIDE  5
#define PICTURE_BYTES (PICTURE_SIDE * PICTURE_SIDE * 16)
#define FOE_PICTURE   0x20  // first tile
#define OUR_PICTURE   (FOE_PICTURE + PICTURE_SIDE * PICTURE_SIDE)

static const uint8_t mirrored[16] = {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15};

static void load_our_picture(uint8_t species) {  // once, as it never changes
  const uint8_t *from = species_pictures[species - 1];
  uint8_t row, column, i;
  for (row = 0; row != PICTURE_SIDE; row++)
    for (column = PICTURE_SIDE; column--; ) {
      uint8_t *to = SPRITE_TILES + (OUR_PICTURE + row * PICTURE_SIDE + column) * 16;
      for (i = 0; i != 16; i++, from++) put_tile(to++, (uint8_t)(mirrored[*from & 15] << 4) | mirrored[*from >> 4]);
    }
}

// ---- the player's sprite: always in the middle of the screen, made of two 8x16 halves

#define MIRROR 0x20

static void draw_player(uint8_t stride) {
  uint8_t first = FACING & 4 ? 8 : FACING & 8 ? 16 : 0;  // front, back, side: two poses of four tiles each
  uint8_t mirror = FACING == 12 ? MIRROR : 0;
  volatile uint8_t *sprite = OAM;
  if (stride) {
    first += 4;
    if (stride == 2 && !(FACING & 8)) mirror = MIRROR;  // the other foot
  }
  sprite[0] = sprite[4] = 64 + 16 - 2;
  sprite[1] = 64 + 8;
  sprite[5] = 64 + 16;
  sprite[2] = mirror ? first + 2 : first;
  sprite[6] = mirror ? first : first + 2;
  sprite[3] = sprite[7] = mirror;
}

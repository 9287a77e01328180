// The window: text pages at the foot of the screen, the menu at its right side.

#define SCREEN_WIDTH  20  // tiles
#define SCREEN_HEIGHT 18
#define BOX_HEIGHT    6
#define WINDOW_AT(column, row) (WINDOW_MAP + (row) * 32 + (column))

#define BLANK 128  // the tile of ' '; the letters ' ' to 'Z' and 'a' to 'z' follow each other

static uint8_t glyph(char letter) { return letter > 'Z' ? letter + 0x5A : letter + 0x60; }

static uint8_t *print(uint8_t *where, const char *text) {  // returns the place after it, as print_number does
  while (*text) put_tile(where++, glyph(*text++));
  return where;
}

static uint8_t *print_number(uint8_t *where, uint8_t number) {
  uint8_t hundreds = 0, tens = 0;
  while (number >= 100) number -= 100, hundreds++;
  while (number >= 10) number -= 10, tens++;
  if (hundreds) put_tile(where++, glyph('0' + hundreds));
  if (hundreds || tens) put_tile(where++, glyph('0' + tens));
  put_tile(where++, glyph('0' + number));
  return where;
}

static void draw_frame(uint8_t width, uint8_t height) {
  uint8_t *row = WINDOW_MAP;
  uint8_t i;
  for (i = 0; i != height; i++, row += 32) {
    uint8_t edge = i == 0 ? UI_FRAME : i == height - 1 ? UI_FRAME + 6 : UI_FRAME + 3;  // left, middle, right
    put_tile(row, edge);
    put_row(row + 1, edge == UI_FRAME + 3 ? BLANK : edge + 1, width - 2);
    put_tile(row + width - 1, edge + 2);
  }
}

static void open_window(uint8_t column, uint8_t row) {  // from there to the lower right corner of the screen
  FONT_LOADED |= 1;
  draw_frame(SCREEN_WIDTH - column, SCREEN_HEIGHT - row);
  WX = column * 8 + 7;
  WY = row * 8;
  LCDC |= LCD_WINDOW;
}

static void close_window(void) {
  LCDC &= ~LCD_WINDOW;
  FONT_LOADED &= ~1;
}

static void open_box(void) { open_window(0, SCREEN_HEIGHT - BOX_HEIGHT); }

static void clear_lines(uint8_t column, uint8_t width) {
  uint8_t row;
  for (row = 1; row != BOX_HEIGHT - 1; row++) put_row(WINDOW_AT(column, row), BLANK, width);
}

static const char *print_page(const char *text) {  // up to '\f' or the end; returns the rest
  uint8_t *row = WINDOW_AT(1, 1), *where = row;
  clear_lines(1, 18);
  for (; *text && *text != '\f'; text++) {
    if (*text == '\n')
      where = row += 32;
    else
      put_tile(where++, glyph(*text));
  }
  return text;
}

static void wait_page(void) {  // the little arrow, until A or B
  put_tile(WINDOW_AT(18, 4), UI_MORE);
  wait_for(KEY_A | KEY_B);
}

static void say_pages(const char *text) {  // in an open box
  for (;;) {
    text = print_page(text);
    wait_page();
    if (*text++ == 0) return;
  }
}

static void say(uint8_t text) {
  open_box();
  say_pages(texts[text]);
  close_window();
}

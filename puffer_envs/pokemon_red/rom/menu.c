// The START menu: a panel at the right with the companion, the purse and the badges. START or B closes it.

enum { MENU_BALM, MENU_NOTES, MENU_CLOSE, MENU_ROWS };
#define PANEL_COLUMN   10
#define MENU_FIRST_ROW 2

static void draw_badges(uint8_t *where) {
  uint8_t left = BADGES;
  for (; left; left >>= 1)
    if (left & 1) put_tile(where++, UI_BADGE);
}

static void draw_money(uint8_t *where) {  // six BCD digits without the leading zeros
  uint8_t i, shown = 0;
  for (i = 0; i != 6; i++) {
    uint8_t digit = i & 1 ? MONEY[i >> 1] & 15 : MONEY[i >> 1] >> 4;
    shown |= digit | i == 5;
    if (shown) put_tile(where++, glyph('0' + digit));
  }
}

static void draw_companion(uint8_t *where) {
  print(where, species_names[PARTY[P_SPECIES] - 1]);
  print_number(print(where + 32, "Lv "), PARTY[P_LEVEL]);
  where = print_number(print(where + 64, "HP "), PARTY[P_HP + 1]);
  print_number(print(where, "/"), PARTY[P_MAX_HP + 1]);
}

static void draw_panel(void) {
  print_number(print(WINDOW_AT(2, MENU_FIRST_ROW), "BALM "), bag_has(ITEM_BALM));
  print(WINDOW_AT(2, MENU_FIRST_ROW + 1), "NOTES");
  print(WINDOW_AT(2, MENU_FIRST_ROW + 2), "CLOSE");
  if (PARTY_COUNT) draw_companion(WINDOW_AT(1, 7));
  print(WINDOW_AT(1, 11), "COINS");
  draw_money(WINDOW_AT(1, 12));
  print(WINDOW_AT(1, 14), "BADGES");
  draw_badges(WINDOW_AT(1, 15));
}

static void read_notes(void) {  // what to do next: the first note whose event has not happened
  const struct note *note = notes;
  while (note->event != NOWHERE && has(note->event)) note++;
  say(note->text);
}

static uint8_t pick(void) {  // the row that A chose; B and START choose CLOSE
  do {
    move_cursor(MENU_FIRST_ROW, 1, MENU_ROWS);
    wait_frame();
  } while (!(pressed & (KEY_A | KEY_B | KEY_START)));
  return pressed & KEY_A ? MENU_CURSOR : MENU_CLOSE;
}

static void drink_balm(void) {  // nobody wastes one
  if (PARTY[P_HP + 1] == PARTY[P_MAX_HP + 1]) return;
  use_balm();
  put_row(WINDOW_AT(4, 9), BLANK, 5);  // the old HP
}

static void menu(void) {
  uint8_t row;
  MENU_CURSOR = 0;
  open_window(PANEL_COLUMN, 0);
  do {
    draw_panel();
    row = pick();
    if (row == MENU_BALM) drink_balm();
  } while (row == MENU_BALM);
  close_window();
  if (row == MENU_NOTES) read_notes();
}

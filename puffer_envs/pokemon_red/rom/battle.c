// Battles. FIGHT trades blows, BALM spends the turn on healing, RUN works three times in four against wild creatures.

enum { LOST, WON, RAN };
enum { FIGHT, BALM, RUN };

#define SCENE_AT(column, row) (SCENE_MAP + (row) * 32 + (column))
#define BAR_TILES   6
#define MENU_COLUMN 12

static const struct foe *foe;

// ---- the scene

static void place_picture(uint8_t *where, uint8_t tile) {
  uint8_t row, column;
  for (row = 0; row != PICTURE_SIDE; row++, where += 32 - PICTURE_SIDE)
    for (column = 0; column != PICTURE_SIDE; column++) *where++ = tile++;
}

static void draw_bar(uint8_t *where, uint8_t hp, uint8_t full) {
  uint8_t pixels = ((uint16_t)hp * (BAR_TILES * 8)) / full, i;
  if (hp && !pixels) pixels = 1;
  for (i = 0; i != BAR_TILES; i++) {
    uint8_t part = pixels > 8 ? 8 : pixels;
    put_tile(where++, UI_BAR + part);
    pixels -= part;
  }
}

static void draw_health(void) {
  uint8_t *where = SCENE_AT(12, 10);
  draw_bar(SCENE_AT(4, 3), FOE_HP[1], FOE_MAX_HP[1]);
  draw_bar(SCENE_AT(12, 9), PARTY[P_HP + 1], PARTY[P_MAX_HP + 1]);
  put_row(where, BLANK, 7);
  where = print_number(where, PARTY[P_HP + 1]);
  print_number(print(where, "/"), PARTY[P_MAX_HP + 1]);
}

static void draw_plate(uint8_t *where, uint8_t species, uint8_t level) {
  print(where, species_names[species - 1]);
  print_number(print(where + 32, "Lv"), level);
  print(where + 64, "HP");
}

static void draw_scene(void) {  // with the LCD off
  uint8_t us = PARTY[P_SPECIES];
  fill_bytes(SCENE_MAP, BLANK, 12 * 32);
  copy_bytes(SPRITE_TILES + FOE_PICTURE * 16, species_pictures[foe->species - 1], PICTURE_BYTES);
  place_picture(SCENE_AT(14, 0), FOE_PICTURE);
  place_picture(SCENE_AT(2, 6), OUR_PICTURE);
  put_row(SCENE_AT(13, 5), UI_GROUND, 7);
  put_row(SCENE_AT(1, 11), UI_GROUND, 7);
  draw_plate(SCENE_AT(1, 1), foe->species, foe->level);
  draw_plate(SCENE_AT(9, 7), us, PARTY[P_LEVEL]);
  draw_health();
}

// ---- messages

static void begin_message(void) { clear_lines(1, 18); }

static void announce_foe(uint8_t kind) {
  begin_message();
  print(print(WINDOW_AT(1, 1), kind == 1 ? "A wild " : "Up steps "), species_names[foe->species - 1]);
  print(WINDOW_AT(1, 2), kind == 1 ? "bars the road!" : "to fight you!");
  wait_page();
}

static void tell_blow(uint8_t row, uint8_t species, uint8_t damage) {  // "Mothkin" / " hits 7!"
  print(WINDOW_AT(1, row), species_names[species - 1]);
  print(print_number(print(WINDOW_AT(1, row + 1), " hits "), damage), "!");
}

static void tell_victory(uint16_t prize, uint8_t grew) {
  begin_message();
  print(print(WINDOW_AT(1, 1), species_names[foe->species - 1]), " yields!");
  if (prize) print(print_number(print(WINDOW_AT(1, 2), "Won "), prize), "00 coins.");
  if (grew) print_number(print(print(WINDOW_AT(1, 3), species_names[PARTY[P_SPECIES] - 1]), " is now Lv"), PARTY[P_LEVEL]);
  wait_page();
}

// ---- the menu

static void draw_menu(void) {
  print(WINDOW_AT(MENU_COLUMN, 1), " FIGHT");
  print_number(print(WINDOW_AT(MENU_COLUMN, 2), " BALM "), bag_has(ITEM_BALM));
  print(WINDOW_AT(MENU_COLUMN, 3), " RUN");
}

static void move_cursor(uint8_t first_row, uint8_t column, uint8_t rows) {  // by the keys of this frame
  put_tile(WINDOW_AT(column, first_row + MENU_CURSOR), BLANK);
  if (pressed & KEY_DOWN && MENU_CURSOR != rows - 1) MENU_CURSOR++;
  if (pressed & KEY_UP && MENU_CURSOR) MENU_CURSOR--;
  put_tile(WINDOW_AT(column, first_row + MENU_CURSOR), UI_CURSOR);
}

static uint8_t choose(void) {
  draw_menu();
  do {
    move_cursor(1, MENU_COLUMN, 3);
    wait_frame();
  } while (!(pressed & KEY_A));
  clear_lines(1, MENU_COLUMN - 1);
  return MENU_CURSOR;
}

// ---- a round

static uint8_t blow(uint8_t hit, uint8_t spread) {  // one in eight lands twice as hard
  uint8_t damage = hit + roll(spread);
  return roll(8) ? damage : damage << 1;
}

static void hurt(uint8_t *hp, uint8_t damage) { hp[1] = hp[1] > damage ? hp[1] - damage : 0; }

static void our_blow(void) {
  uint8_t damage = blow(OUR_HIT + PARTY[P_LEVEL], OUR_SPREAD);
  hurt(FOE_HP, damage);
  tell_blow(1, PARTY[P_SPECIES], damage);
}

static void their_blow(void) {
  uint8_t damage = blow(foe->hit, foe->spread);
  hurt(PARTY + P_HP, damage);
  tell_blow(3, foe->species, damage);
}

static uint8_t take_turn(uint8_t choice, uint8_t kind) {  // 1 if the foe gets its turn too
  if (choice == FIGHT) {
    our_blow();
    return FOE_HP[1];
  }
  if (choice == BALM) {
    print(WINDOW_AT(1, 1), use_balm() ? "Soothing!" : "No balm.");
    MENU_CURSOR = FIGHT;
    return 1;
  }
  print(WINDOW_AT(1, 1), kind == 2 ? "No way out!" : "Cornered!");
  MENU_CURSOR = FIGHT;
  return 1;
}

static uint8_t fight_it_out(uint8_t kind) {
  begin_message();
  for (;;) {
    uint8_t choice = choose();
    if (choice == RUN && kind == 1 && random_byte() < RUN_ODDS) return RAN;
    if (take_turn(choice, kind)) their_blow();
    draw_health();
    if (!FOE_HP[1]) return WON;
    if (!PARTY[P_HP + 1]) return LOST;
  }
}

// ---- from the first page to the last

static void begin_battle(uint8_t number, uint8_t kind) {
  foe = foes + number;
  IN_BATTLE = kind;
  OPPONENT = kind == 1 ? foe->species : 200 + number;
  MENU_CURSOR = FIGHT;
  FOE_SPECIES = foe->species;
  FOE_LEVEL = foe->level;
  set_word(FOE_HP, foe->hp);
  set_word(FOE_MAX_HP, foe->hp);
  note_species(SEEN, foe->species);
  screen_off();
  SCX = SCY = 0;
  draw_scene();
  screen_on(LCD_BATTLE);
  open_box();
  announce_foe(kind);
}

static uint8_t count_win(void) {  // a level for every second win; 1 if we grew
  if (++PARTY[P_EXP + 2] & 1 || PARTY[P_LEVEL] == TOP_LEVEL) return 0;
  set_level(PARTY[P_LEVEL] + 1);
  return 1;
}

static void reward_win(uint8_t prize) {
  mark(EVENT_FIRST_WIN);
  set_money(money() + prize);
  tell_victory(prize, count_win());
}

static void admit_escape(void) {
  begin_message();
  print(WINDOW_AT(1, 1), "You slip away.");
  wait_page();
}

static void admit_defeat(void) {
  IN_BATTLE = 0xFF;
  say_pages(texts[TEXT_DEFEAT]);
  set_money(money() >> 1);
  wake_up_at_rest();
}

static void back_to_the_world(void) {
  FONT_LOADED = 0;
  IN_BATTLE = 0;
  screen_off();
  show_world();
}

static uint8_t battle(uint8_t number, uint8_t kind) {  // number: row of `foes`; kind: 1 wild, 2 trainer
  uint8_t outcome;
  begin_battle(number, kind);
  outcome = fight_it_out(kind);
  if (outcome == WON) reward_win(foe->prize);
  if (outcome == RAN) admit_escape();
  if (outcome == LOST) admit_defeat();
  back_to_the_world();
  return outcome;
}

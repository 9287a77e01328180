// What the player carries: the bag, the purse, and the companion.

// ---- bag and purse

static uint8_t *bag_slot(uint8_t item) {  // the item's pair, or the end of the bag
  uint8_t *slot = BAG;
  uint8_t left = BAG_COUNT;
  while (left-- && *slot != item) slot += 2;
  return slot;
}

static uint8_t bag_has(uint8_t item) {
  uint8_t *slot = bag_slot(item);
  return slot < BAG + (BAG_COUNT << 1) ? slot[1] : 0;
}

static void bag_add(uint8_t item) {
  uint8_t *slot = bag_slot(item);
  if (bag_has(item)) {
    if (slot[1] != 99) slot[1]++;
    return;
  }
  slot[0] = item;
  slot[1] = 1;
  slot[2] = 0xFF;
  BAG_COUNT++;
}

static void bag_take(uint8_t item) {
  uint8_t *slot = bag_slot(item);
  if (--slot[1]) return;
  BAG_COUNT--;
  do {  // close the gap, end mark included
    slot[0] = slot[2];
    slot[1] = slot[3];
    slot += 2;
  } while (slot[-2] != 0xFF);
  slot[-1] = 0;
}

static uint16_t money(void) {  // in hundreds, which is all that prices and prizes need
  return (MONEY[0] >> 4) * 1000 + (MONEY[0] & 15) * 100 + (MONEY[1] >> 4) * 10 + (MONEY[1] & 15);
}

static void set_money(uint16_t hundreds) {
  uint8_t digits[4], i;
  for (i = 4; i--;) {
    digits[i] = hundreds % 10;
    hundreds /= 10;
  }
  MONEY[0] = digits[0] << 4 | digits[1];
  MONEY[1] = digits[2] << 4 | digits[3];
}

// ---- the companion

static void set_word(uint8_t *fact, uint8_t value) {  // a big-endian fact below 256
  fact[0] = 0;
  fact[1] = value;
}

static void heal(void) { PARTY[P_HP + 1] = PARTY[P_MAX_HP + 1]; }

static uint8_t use_balm(void) {
  uint8_t hp = PARTY[P_HP + 1] + BALM_HP, full = PARTY[P_MAX_HP + 1];
  if (!bag_has(ITEM_BALM)) return 0;
  bag_take(ITEM_BALM);
  PARTY[P_HP + 1] = hp > full ? full : hp;
  return 1;
}

static void set_level(uint8_t level) {
  uint8_t grown = HP_BASE + HP_LEVEL * level;
  PARTY[P_HP + 1] += grown - PARTY[P_MAX_HP + 1];
  PARTY[P_MAX_HP + 1] = grown;
  PARTY[P_LEVEL] = level;
}

static void note_species(uint8_t *bits, uint8_t species) { bits[(species - 1) >> 3] |= 1 << ((species - 1) & 7); }

static void take_starter(uint8_t species) {  // and the balm that came in its pod
  bag_add(ITEM_BALM);
  STARTER = species;
  PARTY_COUNT = 1;
  PARTY_SPECIES[0] = PARTY[P_SPECIES] = species;
  PARTY_SPECIES[1] = 0xFF;
  PARTY[P_MOVES] = species;
  set_level(START_LEVEL);
  note_species(OWNED, species);
  note_species(SEEN, species);
  load_our_picture(species);
}

// ---- rest

static void rest(void) {
  heal();
  if (map->bedside != NOWHERE) REST_MAP = MAP_ID;  // a cup of tea heals too, but is no bed
}

static void wake_up_at_rest(void) {  // after a defeat; the screen follows
  heal();
  FACING = 0;
  load_map(REST_MAP, find_map(REST_MAP)->bedside);
}

// What things do: talk, give, sell, heal, fight. All of it is data in assets/*.txt; this file reads the data.

// ---- things

static void say_if(uint8_t text) {
  if (text != NOWHERE) say(text);
}

static void talk(const struct thing *thing) {  // missing something, the moment itself, and ever after
  if (thing->need != NOWHERE && !has(thing->need)) {
    say_if(thing->before);
  } else if (thing->event != NOWHERE && has(thing->event)) {
    say_if(thing->after);
  } else {
    say_if(thing->now);
    mark(thing->event);
    if (thing->gift >> 4) bag_take(thing->gift >> 4);
    if (thing->gift & 15) bag_add(thing->gift & 15);
  }
}

static void challenge(const struct thing *thing) {  // a trainer; `gift` is the number of the foe
  if (has(thing->event)) {
    say(thing->after);
    return;
  }
  if (!PARTY_COUNT) return;
  say(thing->now);
  if (battle(thing->gift, 2) != WON) return;
  mark(thing->event);
  if (!foes[thing->gift].badge) return;
  LEADERS |= foes[thing->gift].badge;
  BADGES = LEADERS;
  say(thing->after);
}

static void act_on(const struct thing *thing) {
  switch (thing->role) {
    case TRAINER:
      challenge(thing);
      break;
    case STARTER_POD:
      say(thing->now);
      mark(thing->event);
      take_starter(thing->gift);
      break;
    case HEALER:
      talk(thing);
      rest();
      break;
    case PEDLAR:
      if (money() < BALM_PRICE) {
        say_if(thing->before);
        break;
      }
      say_if(thing->now);
      mark(thing->event);
      set_money(money() - BALM_PRICE);
      bag_add(ITEM_BALM);
      break;
    default:
      talk(thing);
  }
  remove_gone_things();
}

static const struct thing *thing_at(uint8_t cell) {
  const struct thing *thing = map->things;
  uint8_t left;
  for (left = map->thing_count; left--; thing++)
    if (thing->cell == cell && !happened(thing->gone)) return thing;
  return 0;
}

static void look_ahead(void) {  // A: whatever the player faces
  const struct thing *thing = thing_at(cell_ahead(place));
  if (thing) act_on(thing);
}

static uint8_t seen_by_trainer(void) {
  const struct thing *thing = map->things;
  uint8_t left;
  for (left = map->thing_count; left--; thing++)
    if (thing->sight == place && !has(thing->event)) {
      act_on(thing);
      return 1;
    }
  return 0;
}

// ---- a step and what comes of it

static uint8_t wild_appears(void) {
  if (!PARTY_COUNT || kind_at(place) != WILD) return 0;
  if (calm) {
    calm--;
    return 0;
  }
  return random_byte() < WILD_ODDS;
}

static void arrive(void) {
  const struct warp *warp = map->warps;
  uint8_t left;
  for (left = map->warp_count; left--; warp++)
    if (warp->from == place) {
      enter_map(warp->map, warp->to);
      return;
    }
  stand_at(place);
  if (seen_by_trainer()) return;
  if (wild_appears()) {
    calm = CALM_STEPS;
    battle(map->wild + roll(WILD_KINDS), 1);
  }
}

static void walk(uint8_t arrows) {
  if (try_step(arrows)) arrive();
}

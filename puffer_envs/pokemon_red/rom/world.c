// Maps: the 16x16 grid of cells with the border around them, the things that stand on it, steps and warps.

#define CELL(x, y) ((uint8_t)((y) << 4 | (x)))
#define NOWHERE 0xFF

static const struct map *map;  // where we are
static uint8_t place;          // the player's cell, y << 4 | x
static uint8_t calm;           // steps until wild creatures dare again
static uint8_t footfall;       // alternates the feet

// ---- events

static uint8_t has(uint8_t event) { return EVENTS[event >> 3] & (1 << (event & 7)); }

static void mark(uint8_t event) {
  if (event != NOWHERE) EVENTS[event >> 3] |= 1 << (event & 7);
}

static uint8_t happened(uint8_t event) { return event != NOWHERE && has(event); }

// ---- drawing

static void draw_cell(uint8_t cell) {
  const uint8_t *tiles = cell_tiles[GRID[cell]];
  uint8_t *where = SCENE_MAP + ((uint16_t)(cell & 0xF0) << 2) + (uint8_t)((cell & 0x0F) << 1);
  put_tile(where, tiles[0]);
  put_tile(where + 1, tiles[1]);
  put_tile(where + 32, tiles[2]);
  put_tile(where + 33, tiles[3]);
}

static void draw_grid(void) {  // the whole background, with the LCD off
  uint8_t *where = SCENE_MAP;
  const uint8_t *cell = GRID;
  uint8_t row, column;
  for (row = 0; row != 16; row++, where += 32)
    for (column = 0; column != 16; column++) {
      const uint8_t *tiles = cell_tiles[*cell++];
      where[32] = tiles[2];
      where[33] = tiles[3];
      *where++ = tiles[0];
      *where++ = tiles[1];
    }
}

static void center_view(void) {
  SCX = (uint8_t)(place << 4) - 64;
  SCY = (place & 0xF0) - 64;
}

static void show_world(void) {  // after the LCD was off
  draw_grid();
  center_view();
  draw_player(0);
  screen_on(LCD_WORLD);
}

// ---- entering a map

static const struct map *find_map(uint8_t id) {
  const struct map *m = maps;
  while (m->id != id) m++;
  return m;
}

static void fill_grid(void) {
  uint8_t *grid = GRID;
  const uint8_t *cells = map->cells;
  const struct warp *warp = map->warps;
  uint8_t x, y, left;
  for (x = 0; --x; ) grid[x] = map->border;
  grid[0] = map->border;
  for (y = 0; y != map->height; y++, grid += 16)
    for (x = 0; x != map->width; x++) grid[x] = *cells++;
  for (left = map->warp_count; left--; warp++)  // the way out of an edge goes on into the border
    if (GRID[warp->from] == map->border) GRID[warp->from] = map->way_out;
}

static void place_things(void) {
  const struct thing *thing = map->things;
  uint8_t left;
  for (left = map->thing_count; left--; thing++)
    if (!happened(thing->gone)) GRID[thing->cell] = thing->look;
}

static void stand_at(uint8_t cell) {
  place = cell;
  PLAYER_Y = cell >> 4;
  PLAYER_X = cell & 0x0F;
  BLOCK_Y = PLAYER_Y & 1;
  BLOCK_X = PLAYER_X & 1;
}

static void load_map(uint8_t id, uint8_t cell) {
  map = find_map(id);
  if (id >= FIRST_INDOOR_MAP && MAP_ID < FIRST_INDOOR_MAP) LAST_OUTDOORS = MAP_ID;
  MAP_ID = id;
  stand_at(cell);
  calm = CALM_STEPS;
  fill_grid();
  place_things();
}

static void enter_map(uint8_t id, uint8_t cell) {
  screen_off();
  load_map(id, cell);
  show_world();
}

static void remove_gone_things(void) {  // after a script: what has left gives its cell back
  const struct thing *thing = map->things;
  uint8_t left;
  for (left = map->thing_count; left--; thing++)
    if (happened(thing->gone) && GRID[thing->cell] == thing->look) {
      uint8_t y = thing->cell >> 4, x = thing->cell & 0x0F;
      GRID[thing->cell] = map->cells[y * map->width + x];
      draw_cell(thing->cell);
    }
}

// ---- walking

static int8_t way_x, way_y;  // the unit step of FACING

static void face(uint8_t arrows) {
  way_x = way_y = 0;
  if (arrows & KEY_DOWN) FACING = 0, way_y = 1;
  else if (arrows & KEY_UP) FACING = 4, way_y = -1;
  else if (arrows & KEY_LEFT) FACING = 8, way_x = -1;
  else FACING = 12, way_x = 1;
}

static uint8_t cell_ahead(uint8_t cell) {  // edges wrap around, and so does the background
  return (uint8_t)(cell + (way_y << 4)) & 0xF0 | (uint8_t)(cell + way_x) & 0x0F;
}

static uint8_t kind_at(uint8_t cell) { return cell_kinds[GRID[cell]]; }

static void glide(uint8_t pixels) {  // one cell or, over a ledge, two in 16 frames
  int8_t dx = way_x * pixels, dy = way_y * pixels;
  uint8_t frame;
  footfall ^= 3;
  for (frame = 0; frame != 16; frame++) {
    if (frame == 0) draw_player(footfall);
    if (frame == 10) draw_player(0);
    wait_frame();
    SCX += dx;
    SCY += dy;
  }
}

static uint8_t try_step(uint8_t arrows) {  // 1 if the player now stands on another cell
  uint8_t next, kind;
  face(arrows);
  next = cell_ahead(place);
  kind = kind_at(next);
  if (kind == LEDGE && FACING == 0) {
    glide(2);
    next = cell_ahead(next);
  } else if (kind == SOLID || kind == LEDGE) {
    draw_player(0);
    return 0;
  } else {
    glide(1);
  }
  place = next;
  return 1;
}

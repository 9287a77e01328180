// Every number that makes the game easy or hard, next to the odds that it was chosen for (see README.md).
#pragma once

#define START_MONEY  30  // hundreds of coins
#define BALM_PRICE   3
#define BALM_HP      20

#define START_LEVEL  5
#define TOP_LEVEL    30
#define HP_BASE      10  // full HP = HP_BASE + HP_LEVEL * level
#define HP_LEVEL     3
#define OUR_HIT      2   // our blow: OUR_HIT + level + 0 .. OUR_SPREAD - 1
#define OUR_SPREAD   6

#define CALM_STEPS   3   // grass cells without a fight after entering a map or leaving a battle
#define WILD_ODDS    15  // of 256 for every grass cell after those: 6%
#define WILD_KINDS   2   // creatures that live on one map
#define RUN_ODDS     192 // of 256

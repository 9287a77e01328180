"""Two fighters on two floors and a moving platform: the rules of UTMIST AI^2's Warehouse Brawl."""

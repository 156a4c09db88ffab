"""Oxford-IIIT Pet: the official layout, its lists, its download."""

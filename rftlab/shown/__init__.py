"""How values look in a notebook: texts whole and wrapped, never as markup. Knows no cell, no model, no study."""

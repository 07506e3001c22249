"""From notebooks to pages: pictures and tables for their cells, runs that keep what failed, pages worth reading."""

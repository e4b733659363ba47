"""What the labels of a source suggest in the words of our label set, by a declared table (pure, no Django)."""

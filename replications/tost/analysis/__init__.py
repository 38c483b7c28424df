"""The analyses of ToST (spec 2.10): activations near zero, masks that differ, and dead filters."""

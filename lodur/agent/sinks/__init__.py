"""Where lines go. A sink must deliver in order, settle each chunk's receipt, and push back when full."""

"""Networks between speech and faces; the boundary-equilibrium GAN will live here."""

"""The trained network and everything it needs: conditioning, intensities, tiling, weights and their specification."""

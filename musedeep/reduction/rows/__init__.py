"""From images to rows of pixel tables."""

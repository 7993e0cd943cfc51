"""What a network is made of: summary, receptive field and stages."""

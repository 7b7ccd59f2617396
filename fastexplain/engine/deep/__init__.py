"""DeepLIFT and expected gradients: attributions of networks."""

"""Makes the golden fixtures: small random models, and what diffusers and transformers compute with them."""

"""Pages that look inside a network: what each neuron adds to the output, and how training changed it, step by step."""

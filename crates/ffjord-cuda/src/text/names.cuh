// Names of what the host chooses among.
enum LayerKinds { IGNORE, CONCAT, CONCAT_V2, SQUASH, CONCAT_SQUASH, BLEND, HYPER };
enum Activations { IDENTITY, TANH, RELU, SOFTPLUS, ELU, SWISH, SQUARE };
enum Integrals { KINETIC, JACOBIAN, L1, L2, FROBENIUS, DIAGONAL, OFF_DIAGONAL };

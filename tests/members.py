"""One constructor for every public part; the properties and the conformance tests run over them all."""

from tfvae import likelihoods, networks, objectives, posteriors, preprocessing, priors

LATENT = 3
CONDITION = 4
IMAGE = (8, 8, 1)

POSTERIORS = {
    "Deterministic": lambda: posteriors.Deterministic(LATENT),
    "DiagonalNormal": lambda: posteriors.DiagonalNormal(LATENT),
    "FullNormal": lambda: posteriors.FullNormal(LATENT),
    "Hierarchical": lambda: posteriors.Hierarchical([2, 1], units=[8]),
    "InverseAutoregressiveFlow": lambda: posteriors.InverseAutoregressiveFlow(LATENT, layers=2, units=[8]),
    "PlanarFlow": lambda: posteriors.PlanarFlow(LATENT, layers=2, base=posteriors.FullNormal(LATENT)),
    "PowerSpherical": lambda: posteriors.PowerSpherical(LATENT),
}
PRIORS = {
    "AutoregressiveFlow": lambda: priors.AutoregressiveFlow(LATENT, units=[8]),
    "ConditionalNormal": lambda: priors.ConditionalNormal(LATENT, CONDITION, units=[8]),
    "Hierarchical": lambda: priors.Hierarchical([2, 1], units=[8]),
    "MixtureOfNormals": lambda: priors.MixtureOfNormals(LATENT, components=4),
    "RealNVP": lambda: priors.RealNVP(LATENT, layers=2, units=[8]),
    "SphericalUniform": lambda: priors.SphericalUniform(LATENT),
    "StandardNormal": lambda: priors.StandardNormal(LATENT),
    "VampPrior": lambda: priors.VampPrior(LATENT, IMAGE, components=5),
}
LIKELIHOODS = {
    "Bernoulli": lambda event=IMAGE: likelihoods.Bernoulli(event),
    "Categorical": lambda event=IMAGE: likelihoods.Categorical(event, classes=4),
    "Columns": lambda event=IMAGE: likelihoods.Columns({"real": likelihoods.Normal(event, scale_shape=[])}),
    "ContinuousBernoulli": lambda event=IMAGE: likelihoods.ContinuousBernoulli(event),
    "DiscretizedLogistic": lambda event=IMAGE: likelihoods.DiscretizedLogistic(event),
    "Laplace": lambda event=IMAGE: likelihoods.Laplace(event, scale=0.5),
    "LogNormal": lambda event=IMAGE: likelihoods.LogNormal(event, scale=0.5, scale_shape=[], floor=0.1),
    "MixtureOfDiscretizedLogistics": lambda event=IMAGE: likelihoods.MixtureOfDiscretizedLogistics(event, components=3),
    "NegativeBinomial": lambda event=IMAGE: likelihoods.NegativeBinomial(event),
    "Normal": lambda event=IMAGE: likelihoods.Normal(event, scale=0.5, scale_shape=[]),
    "Observed": lambda event=IMAGE: likelihoods.Observed(likelihoods.Bernoulli(event)),
    "Ordinal": lambda event=IMAGE: likelihoods.Ordinal(event, classes=4),
    "Poisson": lambda event=IMAGE: likelihoods.Poisson(event),
    "StudentT": lambda event=IMAGE: likelihoods.StudentT(event, 0.5, per_row=True, standardize=True, df_shape=[]),
    "ZeroInflatedNegativeBinomial": lambda event=IMAGE: likelihoods.ZeroInflatedNegativeBinomial(event, []),
}
OBJECTIVES = {
    "BetaTC": lambda: objectives.BetaTC(beta=4.0),
    "CIWAE": lambda: objectives.CIWAE(samples=3, beta=0.3),
    "Capacity": lambda: objectives.Capacity(nats=2.0, steps=4, gamma=3.0),
    "DIP": lambda: objectives.DIP(off_diagonal=2.0, diagonal=3.0, aggregate=True),
    "ELBO": lambda: objectives.ELBO(beta=0.5, warmup_steps=4, samples=2),
    "FreeBits": lambda: objectives.FreeBits(nats=0.1),
    "IWAE": lambda: objectives.IWAE(samples=3, estimator="dreg", chosen=2),
    "MIWAE": lambda: objectives.MIWAE(groups=2, samples=3),
    "MMD": lambda: objectives.MMD(weight=10.0, kl=0.1, scales=[0.5, 1.0, 2.0]),
    "PIWAE": lambda: objectives.PIWAE(groups=2, samples=3),
    "Reconstruction": lambda: objectives.Reconstruction(l2=0.1),
}
PREPROCESSORS = {
    "Binarize": lambda: preprocessing.Binarize(),
    "Gaps": lambda: preprocessing.Gaps(preprocessing.Rescale()),
    "Rescale": lambda: preprocessing.Rescale(-1.0, 1.0),
}
OF_TABLES = ("Table", "table")  # which need a table's schema: test_columns.py has their properties
ENCODERS = {
    "conv": lambda **options: networks.conv(IMAGE, [4, 8], units=[16], **options),
    "gated_mlp": lambda **options: networks.gated_mlp(IMAGE, [16], **options),
    "mlp": lambda **options: networks.mlp(IMAGE, [16], **options),
    "resnet": lambda **options: networks.resnet(IMAGE, [4, 8], units=[16], **options),
}
DECODERS = {
    "conv": lambda **options: networks.conv(LATENT, [4, 8], units=[16], output_shape=IMAGE, **options),
    "gated_mlp": lambda **options: networks.gated_mlp(LATENT, [16], **options),
    "mlp": lambda **options: networks.mlp(LATENT, [16], **options),
    "resnet": lambda **options: networks.resnet(LATENT, [4, 8], units=[16], output_shape=IMAGE, **options),
}
KINDS = {  # module: its members
    posteriors: POSTERIORS,
    priors: PRIORS,
    likelihoods: LIKELIHOODS,
    objectives: OBJECTIVES,
    preprocessing: PREPROCESSORS,
    networks: ENCODERS,
}

TWO_LAYERS = {
    "posterior": POSTERIORS["Hierarchical"],
    "prior": PRIORS["Hierarchical"],
    "decoder": lambda: networks.mlp(2, [16]),
}
ON_A_SPHERE = {"posterior": POSTERIORS["PowerSpherical"], "prior": PRIORS["SphericalUniform"]}
PARTNERS = {  # of members that do not go with the default ones
    "posterior-Deterministic": {"objective": OBJECTIVES["Reconstruction"]},
    "posterior-Hierarchical": TWO_LAYERS,
    "prior-Hierarchical": TWO_LAYERS,
    "likelihood-LogNormal": {"preprocessor": lambda: preprocessing.Rescale(0.1, 1.0)},
    "posterior-PowerSpherical": ON_A_SPHERE,
    "prior-SphericalUniform": ON_A_SPHERE,
    "prior-ConditionalNormal": {
        "condition_size": lambda: CONDITION,
        "encoder": lambda: ENCODERS["mlp"](condition_size=CONDITION),
        "decoder": lambda: DECODERS["mlp"](condition_size=CONDITION),
    },
}

COMBINED = (  # posterior, prior, likelihood, objective, network: each member of a kind is in one row or more
    ("DiagonalNormal", "VampPrior", "Bernoulli", "ELBO", "conv"),
    ("DiagonalNormal", "ConditionalNormal", "Poisson", "MIWAE", "mlp"),
    ("FullNormal", "RealNVP", "Laplace", "CIWAE", "gated_mlp"),
    ("Hierarchical", "Hierarchical", "Categorical", "DIP", "mlp"),  # which gathers moments that are estimated
    ("InverseAutoregressiveFlow", "StandardNormal", "DiscretizedLogistic", "IWAE", "mlp"),
    ("PlanarFlow", "MixtureOfNormals", "NegativeBinomial", "PIWAE", "mlp"),
    ("PowerSpherical", "SphericalUniform", "Normal", "Capacity", "mlp"),
    ("Deterministic", "StandardNormal", "ContinuousBernoulli", "Reconstruction", "resnet"),
    ("DiagonalNormal", "AutoregressiveFlow", "MixtureOfDiscretizedLogistics", "MMD", "mlp"),
    ("DiagonalNormal", "StandardNormal", "Observed", "BetaTC", "mlp"),
    ("DiagonalNormal", "StandardNormal", "Columns", "FreeBits", "mlp"),
    ("DiagonalNormal", "StandardNormal", "StudentT", "ELBO", "mlp"),
    ("DiagonalNormal", "StandardNormal", "LogNormal", "ELBO", "mlp"),
    ("DiagonalNormal", "StandardNormal", "Ordinal", "ELBO", "mlp"),
    ("DiagonalNormal", "StandardNormal", "ZeroInflatedNegativeBinomial", "IWAE", "mlp"),
)


def combined(posterior, prior, likelihood, objective, network):
    """The parts of a row of `COMBINED`: keyword of a VAE -> function that makes it."""
    parts = {
        "encoder": ENCODERS[network],
        "posterior": POSTERIORS[posterior],
        "prior": PRIORS[prior],
        "decoder": DECODERS[network],
        "likelihood": LIKELIHOODS[likelihood],
        "objective": OBJECTIVES[objective],
    }
    return parts | PARTNERS.get(f"prior-{prior}", {}) | PARTNERS.get(f"likelihood-{likelihood}", {})

"""Pictures of data, training and networks, drawn with matplotlib.

Every function returns a figure, which a notebook shows; ``path=`` writes it, and ``ax=`` draws into axes of yours. No function
opens a window or changes a setting of matplotlib.
"""

from .attribution import occlusion, saliency
from .confusions import confused_pairs, confusion_matrix
from .curves import learning_curves, learning_rates
from .diagram import network_diagram
from .distributions import histograms
from .galleries import augmentations, misclassified, rows_of_images
from .kernel_pictures import kernels
from .maps import feature_maps
from .receptive import receptive_field
from .reliability import calibration, calibration_bins
from .sheet import blank, save
from .tables import codes, connections

__all__ = [
    "augmentations",
    "blank",
    "calibration",
    "calibration_bins",
    "codes",
    "confused_pairs",
    "confusion_matrix",
    "connections",
    "feature_maps",
    "histograms",
    "kernels",
    "learning_curves",
    "learning_rates",
    "misclassified",
    "network_diagram",
    "occlusion",
    "receptive_field",
    "rows_of_images",
    "saliency",
    "save",
]


def __dir__() -> list[str]:
    """What completion offers: the public names."""
    return sorted(__all__)

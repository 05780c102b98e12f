"""An LSTM of ALPINE's kind that predicts the next character."""

from torch import Tensor, nn


class CharLSTM(nn.Module):
    """Two layers of 256 cells: 0.9 million weights.

    Args:
        characters: Number of different characters.
        cells: Cells of a layer.
    """

    def __init__(self, characters: int = 65, cells: int = 256) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, 128)
        self.lstm = nn.LSTM(128, cells, num_layers=2, batch_first=True)
        self.head = nn.Linear(cells, characters)

    def forward(self, characters: Tensor) -> Tensor:
        """Numbers of shape (n, block) -> scores of the next characters (n, block, characters)."""
        return self.head(self.lstm(self.embedding(characters))[0])

"""What the strategies of this folder share: profiles, loss models, exact programmes, pricing."""

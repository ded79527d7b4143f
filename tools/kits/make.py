"""Makes the isolated environments of s3prl and of heareval with hearvalidator; see README.md in this folder.

python tools/kits/make.py s3prl hear
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from audiossl.errors import AudiosslError
from audiossl.kits.environments import KITS, build_kit, check_kit


def main() -> int:
    """Build or check the kits that are named."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("kits", nargs="+", choices=list(KITS))
    parser.add_argument("--folder", type=Path, help="of the environments; by default $AUDIOSSL_KITS or the cache of audiossl")
    options = parser.parse_args()
    try:
        for name in options.kits:
            begin = time.monotonic()
            home = build_kit(name, options.folder)
            check_kit(name, options.folder)
            size = sum(path.lstat().st_size for path in home.rglob("*") if not path.is_dir())
            print(f"{name}: {home}, {size / 1e9:.2f} GB, {(time.monotonic() - begin) / 60:.1f} min")
    except AudiosslError as error:
        print(f"make.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

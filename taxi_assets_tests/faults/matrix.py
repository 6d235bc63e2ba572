"""What the suite covers: faults by stores."""

STORES = ("Local lake", "GCS", "Postgres", "DuckDB", "BigQuery")
KILLED = "Process killed between any two steps"
SERVER_RESTARTED = "Server killed and restarted in mid-load"
SERVER_GONE = "Server killed, and staying away"
RESET = "Connection reset before the answer"
SILENT = "Time-out: accepted, never answered"
TOO_MANY = "429 Too Many Requests"
BROKEN = "500 Internal Server Error"
UNAVAILABLE = "503 without Retry-After"
COME_BACK_LATER = "503 with Retry-After"
ANSWER_LOST = "Work done, answer lost"
DISK_FULL = "Disk full"
FORBIDDEN = "Permission denied"
IN_USE = "In use by a long reader"

FAULTS = (
    KILLED,
    SERVER_RESTARTED,
    SERVER_GONE,
    RESET,
    SILENT,
    TOO_MANY,
    BROKEN,
    UNAVAILABLE,
    COME_BACK_LATER,
    ANSWER_LOST,
    DISK_FULL,
    FORBIDDEN,
    IN_USE,
)

_NEEDS_A_SERVER = (SERVER_RESTARTED, SERVER_GONE, RESET, SILENT, ANSWER_LOST)
_NEEDS_HTTP = (TOO_MANY, BROKEN, UNAVAILABLE, COME_BACK_LATER)

#: Cells without a test: fault and store -> the reason.
NOT_APPLICABLE = {
    **{(fault, store): "no server" for fault in _NEEDS_A_SERVER for store in ("Local lake", "DuckDB")},
    **{(fault, store): "no HTTP" for fault in _NEEDS_HTTP for store in ("Local lake", "Postgres", "DuckDB")},
}

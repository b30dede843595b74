#ifndef SLUICE_SERVER_CATALOG_SQLITE_CHUNK_MIGRATION_H_
#define SLUICE_SERVER_CATALOG_SQLITE_CHUNK_MIGRATION_H_

#include "server/catalog/sqlite/connection.h"

namespace sluice {

// From version 2 of the schema to 3: events that are rows of `file` and `event` become chunks of
// event_chunk, in one pass over both; those that are garbage are left behind. Constant memory.
// REQUIRES: within the transaction of the migration.
// Errors: SQLite::Exception (SQLITE_CORRUPT: a row is damaged).
void MoveEventsIntoChunks(Connection& connection);

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_SQLITE_CHUNK_MIGRATION_H_

#ifndef SLUICE_SERVER_CATALOG_SQLITE_CONTENT_CHUNK_H_
#define SLUICE_SERVER_CATALOG_SQLITE_CONTENT_CHUNK_H_

#include <span>
#include <string>
#include <string_view>

#include "pipeline/fs/compact_bytes.h"
#include "pipeline/stages/known_content.h"

namespace sluice {

// Many known contents as the bytes of one row (or of a record in a spool), each as what differs
// from the one before it; of the same kind as an EventChunk.
//
//   head (a byte: which digests, whether the device is another one)
//   size  [device]  inode (delta)  mtime (delta)  ctime (delta to mtime)  digests
//
void AppendContents(std::span<const KnownContent> contents, std::string& body);

// Decodes them one by one. Any bytes may be given: those that nothing would have encoded are an
// error or some contents. Not thread-safe. Lifetime: the bytes outlive it.
class ContentChunkReader final {
 public:
  explicit ContentChunkReader(std::string_view body) : body_(body) {}

  // False at the end, and when the chunk turns out to be damaged.
  bool Next(KnownContent& content);

  bool damaged() const { return body_.failed(); }

 private:
  ByteTaker body_;
  KnownContent last_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_SQLITE_CONTENT_CHUNK_H_

#include "pipeline/fs/sorted_spool.h"

#include <string>
#include <string_view>

#include "pipeline/fs/file.h"
#include "pipeline/fs/spool_file.h"

namespace sluice {

void SpoolCodec<FileEntry>::Encode(const FileEntry& entry, std::string* out) {
  AppendBytes(entry.path, out);
  AppendValue(entry.stat, out);
  AppendValue(entry.digest.has_value(), out);
  if (entry.digest) AppendValue(*entry.digest, out);
}

FileEntry SpoolCodec<FileEntry>::Decode(std::string_view* in) {
  FileEntry entry;
  entry.path = TakeBytes(in);
  entry.stat = TakeValue<FileStat>(in);
  if (TakeValue<bool>(in)) entry.digest = TakeValue<Digest>(in);
  return entry;
}

}  // namespace sluice

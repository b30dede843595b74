#include "pipeline/stages/recorded_items.h"

#include <utility>

#include "absl/status/status.h"
#include <sodium.h>

#include "pipeline/async/status_error.h"
#include "pipeline/fs/spool_file.h"

namespace sluice {

namespace {

using HashKey = std::array<unsigned char, crypto_shorthash_siphashx24_KEYBYTES>;

// What a hash stands for begins with what it is: a file cannot be taken for a payload.
enum class Tag : std::uint8_t { kFile, kPayload };

SetKey Hash(const std::string& bytes, const HashKey& hash_key) {
  SetKey key;
  static_assert(sizeof key == crypto_shorthash_siphashx24_BYTES);
  crypto_shorthash_siphashx24(key.data(), reinterpret_cast<const unsigned char*>(bytes.data()),
                              bytes.size(), hash_key.data());
  return key;
}

SetKey KeyOf(const FileEntry& file, const HashKey& hash_key) {
  const FileStat& stat = file.stat;
  std::string bytes;
  bytes.reserve(64 + file.path.size());
  AppendValue(Tag::kFile, &bytes);
  AppendValue(stat.type, &bytes);
  for (const std::uint64_t number : {stat.device, stat.inode, stat.size}) {
    AppendValue(number, &bytes);
  }
  for (const std::int64_t time : {stat.modify_time_ns, stat.change_time_ns}) {
    AppendValue(time, &bytes);
  }
  bytes += file.path;  // The only part of any length: no two files come to the same bytes.
  return Hash(bytes, hash_key);
}

SetKey KeyOf(std::uint32_t kind, std::string_view payload, const HashKey& hash_key) {
  std::string bytes;
  bytes.reserve(8 + payload.size());
  AppendValue(Tag::kPayload, &bytes);
  AppendValue(kind, &bytes);
  bytes += payload;
  return Hash(bytes, hash_key);
}

}  // namespace

bool RecordedItems::Contains(const FileEntry& file) const {
  return keys_.Contains(KeyOf(file, hash_key_));
}

bool RecordedItems::ContainsPayload(std::uint32_t kind, std::string_view bytes) const {
  return keys_.Contains(KeyOf(kind, bytes, hash_key_));
}

RecordedItems::Builder::Builder(std::string spool_directory, std::stop_token stop)
    : keys_(std::move(spool_directory), std::move(stop)) {
  if (sodium_init() < 0) throw StatusError(absl::InternalError("libsodium is not available"));
  randombytes_buf(hash_key_.data(), hash_key_.size());
}

void RecordedItems::Builder::Add(const FileEntry& file) { keys_.Add(KeyOf(file, hash_key_)); }

void RecordedItems::Builder::AddPayload(std::uint32_t kind, std::string_view bytes) {
  keys_.Add(KeyOf(kind, bytes, hash_key_));
}

Task<RecordedItems> RecordedItems::Builder::Finish(Executor& executor) {
  KeySet keys = co_await keys_.Finish(executor);
  co_return RecordedItems(hash_key_, std::move(keys));
}

}  // namespace sluice

#include "pipeline/fs/file.h"

#include <cerrno>
#include <string>

#include "gtest/gtest.h"

namespace sluice {
namespace {

constexpr char kSha256OfAbc[] =
    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(SameVersion, IgnoresWhatSaysNothingAboutContent) {
  const FileStat recorded{.size = 1, .inode = 2, .link_count = 1, .mode = 0600};
  FileStat now = recorded;
  now.link_count = 2;
  now.mode = 0644;
  now.uid = 1000;
  EXPECT_TRUE(SameVersion(recorded, now));
}

TEST(SameVersion, SeesEveryTraceOfAChange) {
  const FileStat recorded{.size = 1, .modify_time_ns = 2, .change_time_ns = 3, .inode = 4};
  for (auto FileStat::* field : {&FileStat::size, &FileStat::device, &FileStat::inode}) {
    FileStat now = recorded;
    ++(now.*field);
    EXPECT_FALSE(SameVersion(recorded, now));
  }
  for (auto FileStat::* field : {&FileStat::modify_time_ns, &FileStat::change_time_ns}) {
    FileStat now = recorded;
    ++(now.*field);
    EXPECT_FALSE(SameVersion(recorded, now));
  }
}

TEST(DigestText, IsReadBackForEveryAlgorithm) {
  for (const auto algorithm :
       {DigestAlgorithm::kSha256, DigestAlgorithm::kBlake2b256, DigestAlgorithm::kXxh3_128}) {
    Digest digest{.algorithm = algorithm};
    for (std::size_t i = 0; i < DigestSize(algorithm); ++i) {
      digest.bytes.at(i) = static_cast<std::uint8_t>(7 * i + 250);
    }
    EXPECT_EQ(ParseDigest(DigestText(digest)), digest);
  }
}

TEST(DigestText, NamesTheAlgorithmInLowerCase) {
  EXPECT_EQ(DigestText(*ParseDigest(kSha256OfAbc)), kSha256OfAbc);
  EXPECT_EQ(DigestText({.algorithm = DigestAlgorithm::kXxh3_128}),
            "xxh3-128:00000000000000000000000000000000");
  EXPECT_TRUE(DigestText({.algorithm = DigestAlgorithm::kBlake2b256}).starts_with("blake2b-256:0"));
}

TEST(ParseDigest, RefusesAnyOtherText) {
  const std::string text = kSha256OfAbc;
  const std::string upper_case = "sha256:BA" + text.substr(9);
  for (const std::string& wrong :
       {std::string(), std::string("sha256"), std::string("sha256:"), text + "0",
        text.substr(0, text.size() - 1), upper_case, "md5:" + text.substr(7), text.substr(7),
        " " + text, "xxh3-128" + text.substr(6), text.substr(0, text.size() - 1) + "g"}) {
    EXPECT_EQ(ParseDigest(wrong), std::nullopt) << wrong;
  }
}

TEST(MakeItemError, TellsReasonsApart) {
  using Reason = ItemError::Reason;
  const auto reason_of = [](int number) { return MakeItemError("/a", "open", number).reason; };
  EXPECT_EQ(reason_of(ENOENT), Reason::kVanished);
  EXPECT_EQ(reason_of(ESTALE), Reason::kVanished);
  EXPECT_EQ(reason_of(ELOOP), Reason::kChanged);
  EXPECT_EQ(reason_of(ENOTDIR), Reason::kChanged);
  EXPECT_EQ(reason_of(EACCES), Reason::kPermissionDenied);
  EXPECT_EQ(reason_of(EPERM), Reason::kPermissionDenied);
  EXPECT_EQ(reason_of(EIO), Reason::kIo);
}

TEST(MakeItemError, SaysWhatWasTriedAndWhatTheSystemSaid) {
  const ItemError error = MakeItemError("/a", "read", EIO);
  EXPECT_EQ(error.path, "/a");
  EXPECT_EQ(error.operation, "read");
  EXPECT_EQ(error.error_number, EIO);
  EXPECT_EQ(error.message, "Input/output error");
}

}  // namespace
}  // namespace sluice

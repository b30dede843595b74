#ifndef SLUICE_CLIENT_CLI_JSON_H_
#define SLUICE_CLIENT_CLI_JSON_H_

#include <string>

#include "google/protobuf/message.h"
#include "google/protobuf/repeated_ptr_field.h"

#include "sluice/v1/event.pb.h"

// The proto JSON mapping, without whitespace. Throw StatusError for a message that has none.
namespace sluice::cli {

std::string JsonText(const google::protobuf::Message& message);

// JsonText of each event, and a line feed after it. Much cheaper than one by one.
std::string JsonLines(google::protobuf::RepeatedPtrField<v1::JobEvent> events);

}  // namespace sluice::cli

#endif  // SLUICE_CLIENT_CLI_JSON_H_

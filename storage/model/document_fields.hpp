#pragma once

#include "storage/model/json_fields.hpp"

#include <boost/json/object.hpp>
#include <map>
#include <string>
#include <string_view>

// What the documents that are put under an id have in common: job definitions and plans.
namespace rowlock::document {

// The id of the document, its member `name`, which may be left out where the route gives it as `path_id`. Where neither does it is "",
// and refused if it is `required`.
std::string read_id(json_fields& fields, std::string_view name, std::string_view path_id, bool required);

std::map<std::string, std::string> read_tags(json_fields& fields);

// What a request or an answer says beside the document. It is checked, but makes no new version.
void read_beside(json_fields& fields);

// The database can keep no U+0000, wherever it stands.
void refuse_nul(const boost::json::object& body, field_errors& errors);

}

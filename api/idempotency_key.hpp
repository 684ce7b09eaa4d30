#pragma once

#include "api/request.hpp"
#include "storage/model/json_fields.hpp"

#include <string_view>

namespace rowlock::api {

// The key in the header Idempotency-Key, "" where there is none; what is wrong with it is added to `errors`. A view of the request.
std::string_view header_key(const request& rq, field_errors& errors);
// The key of a request that may have one in its body too ("": it has none there): from either, or from both if they agree.
std::string_view agreed_key(const request& rq, std::string_view in_body, field_errors& errors);

}

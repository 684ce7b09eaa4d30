#pragma once

#include "storage/model/error.hpp"
#include "storage/model/execution.hpp"

#include <boost/assert/source_location.hpp>
#include <boost/system/result.hpp>
#include <string>
#include <utility>

namespace rowlock::runtime {

// Why an attempt cannot succeed: what becomes of `error_code` and `error_message` of its outcome.
struct failure {
    failure() = default;
    // Not an aggregate: a text alone must not be taken for a failure where a result holds one or the other.
    failure(std::string the_code, std::string the_message) : code(std::move(the_code)), message(std::move(the_message)) {}

    std::string code;
    std::string message;
};

// What the making of an attempt may come to: a value, or the failure that the attempt ends with.
template <class T>
using attempted = boost::system::result<T, failure>;

outcome failed(failure why);

// A definition that cannot be carried out as it stands: INVALID_CONFIG.
failure invalid_config(std::string message);
// What the operator does not allow: PERMISSION_DENIED.
failure permission_denied(std::string message);

// An error for those who read one text: with the first of the fields that it names.
std::string with_fields(const error& e);

// What attempted<T>::value() throws when there is none: a defect in the program, not in its input.
[[noreturn]] void throw_exception_from_error(const failure& why, const boost::source_location& where);

}

// Result<T>: a value or an Error. The return type of everything that can fail in an expected way.
//
//   Result<Duration> parsed = parse_duration(text);
//   if (!parsed) return parsed.error();
//   use(*parsed);
//
// Reading the value of a failed result, or the error of a successful one, is a bug and aborts.
//
// Thread-safety: a plain value.
#pragma once

#include <cstdlib>
#include <optional>
#include <utility>
#include <variant>

#include "core/error.h"

namespace oa {

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value)
      : value_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit on purpose
  Result(Error error)
      : value_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit on purpose

  bool ok() const { return value_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & { return *checked_value(); }
  const T& value() const& { return *const_cast<Result*>(this)->checked_value(); }
  T&& value() && { return std::move(*checked_value()); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return checked_value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const {
    if (ok()) std::abort();
    return *std::get_if<1>(&value_);
  }

 private:
  T* checked_value() {
    if (!ok()) std::abort();
    return std::get_if<0>(&value_);
  }

  std::variant<T, Error> value_;
};

// Success carries nothing.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit on purpose

  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }

  const Error& error() const {
    if (!error_) std::abort();
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

}  // namespace oa

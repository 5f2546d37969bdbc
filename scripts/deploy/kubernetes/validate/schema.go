package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"sigs.k8s.io/yaml"
)

// As much of a resource definition's schema as says that an object is well-formed.
type schema struct {
	Type                 string
	Properties           map[string]schema
	AdditionalProperties *schema
	Items                *schema
	Required             []string
	Enum                 []any
	IntOrString          bool `json:"x-kubernetes-int-or-string"`
	PreserveUnknown      bool `json:"x-kubernetes-preserve-unknown-fields"`
}

type definition struct {
	Spec struct {
		Group    string
		Names    struct{ Kind string }
		Versions []struct {
			Name   string
			Schema struct {
				OpenAPIV3Schema schema `json:"openAPIV3Schema"`
			}
		}
	}
}

func readDefinitions(folder string) (map[string]schema, error) {
	schemas := map[string]schema{}
	paths, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var read definition
		if err := yaml.Unmarshal(text, &read); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for _, version := range read.Spec.Versions {
			name := read.Spec.Group + "/" + version.Name + "/" + read.Spec.Names.Kind
			schemas[name] = version.Schema.OpenAPIV3Schema
		}
	}
	return schemas, err
}

// check fails on a field that is not known, one that is missing, and a value of another type.
func (expected schema) check(path string, found any) error {
	if len(expected.Enum) > 0 && !slices.Contains(expected.Enum, found) {
		return fmt.Errorf("%s: found %v, expected one of %v", path, found, expected.Enum)
	}
	switch value := found.(type) {
	case map[string]any:
		return expected.checkFields(path, value)
	case []any:
		if expected.Type != "array" || expected.Items == nil {
			return fmt.Errorf("%s: found a list, expected %s", path, expected.Type)
		}
		for index, item := range value {
			if err := expected.Items.check(fmt.Sprintf("%s[%d]", path, index), item); err != nil {
				return err
			}
		}
		return nil
	case string:
		return expected.checkType(path, "string")
	case bool:
		return expected.checkType(path, "boolean")
	default:
		return expected.checkType(path, "integer", "number")
	}
}

func (expected schema) checkType(path string, types ...string) error {
	if expected.IntOrString || expected.PreserveUnknown || slices.Contains(types, expected.Type) {
		return nil
	}
	return fmt.Errorf("%s: found a %s, expected %s", path, types[0], expected.Type)
}

func (expected schema) checkFields(path string, fields map[string]any) error {
	if expected.Type != "object" {
		return fmt.Errorf("%s: found an object, expected %s", path, expected.Type)
	}
	for _, name := range expected.Required {
		if _, there := fields[name]; !there {
			return fmt.Errorf("%s: the field %s is missing", path, name)
		}
	}
	// The definitions leave `metadata` to Kubernetes.
	free := expected.PreserveUnknown || expected.Properties == nil
	for name, value := range fields {
		property, known := expected.Properties[name]
		switch {
		case known:
		case expected.AdditionalProperties != nil:
			property = *expected.AdditionalProperties
		case free:
			continue
		default:
			return fmt.Errorf("%s: there is no field %s", path, name)
		}
		if err := property.check(path+"."+name, value); err != nil {
			return err
		}
	}
	return nil
}

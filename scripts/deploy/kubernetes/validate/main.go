// Holds Kubernetes manifests against what Kubernetes and KServe themselves publish as Go modules.
//
//	go run . -definitions FOLDER FILE...
//
// Core objects are decoded into the API's own types, which fails on a field that they lack; objects
// of other groups are held against the schemas of the resource definitions in FOLDER.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// An empty object of each core kind that is used.
var kinds = map[string]any{
	"v1/ConfigMap":                           &corev1.ConfigMap{},
	"v1/Service":                             &corev1.Service{},
	"apps/v1/Deployment":                     &appsv1.Deployment{},
	"networking.k8s.io/v1/NetworkPolicy":     &networkingv1.NetworkPolicy{},
	"policy/v1/PodDisruptionBudget":          &policyv1.PodDisruptionBudget{},
	"autoscaling/v2/HorizontalPodAutoscaler": &autoscalingv2.HorizontalPodAutoscaler{},
}

func main() {
	folder := flag.String("definitions", "", "folder of CustomResourceDefinitions")
	flag.Parse()
	schemas, err := readDefinitions(*folder)
	for _, path := range flag.Args() {
		if err == nil {
			err = checkFile(path, schemas)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func checkFile(path string, schemas map[string]schema) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = checkObject(path, document, schemas)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
}

func checkObject(path string, document []byte, schemas map[string]schema) error {
	var meta metav1.TypeMeta
	if err := yaml.Unmarshal(document, &meta); err != nil {
		return err
	}
	name := meta.APIVersion + "/" + meta.Kind
	if object, known := kinds[name]; known {
		if err := yaml.UnmarshalStrict(document, object); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	} else if definition, known := schemas[name]; known {
		var object any
		if err := yaml.UnmarshalStrict(document, &object); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := definition.check(meta.Kind, object); err != nil {
			return err
		}
	} else {
		return fmt.Errorf("%s is not a kind that is known here", name)
	}
	fmt.Printf("ok %s: %s\n", filepath.Base(path), name)
	return nil
}
